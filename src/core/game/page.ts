import { encodePath } from './paths.ts';

const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** The page of a project that brings only a script, as previews and builds have it. */
export const gamePage = (title: string, script: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
    <title>${escaped(title)}</title>
    <style>
      html, body { height: 100%; margin: 0; overflow: hidden; background: #000; color: #fff; }
      #app { height: 100%; }
    </style>
  </head>
  <body>
    <div id="app"></div>
    <script type="module" src="/${encodePath(script)}"></script>
  </body>
</html>
`;
