import { useSignal } from '@preact/signals';
import { Icon } from '../ui/icon.tsx';
import { Arches } from '../ui/mark.tsx';
import { useWorkspace } from './context.ts';

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Game</title>
    <style>
      body {
        margin: 0;
        background: #110e0d;
      }
      canvas {
        display: block;
        width: 100vw;
        height: 100vh;
      }
    </style>
  </head>
  <body>
    <canvas></canvas>
    <script type="module" src="/src/main.ts"></script>
  </body>
</html>
`;

const script = `const canvas = document.querySelector('canvas')!;
const context = canvas.getContext('2d')!;

// Sixty times a second: where things are now, and then what they look like.
function frame(now: number): void {
  canvas.width = canvas.clientWidth;
  canvas.height = canvas.clientHeight;
  const x = canvas.width / 2 + Math.sin(now / 600) * canvas.width * 0.3;
  const y = canvas.height / 2 + Math.cos(now / 900) * canvas.height * 0.3;
  context.fillStyle = '#ff7d3f';
  context.beginPath();
  context.arc(x, y, 24, 0, Math.PI * 2);
  context.fill();
  requestAnimationFrame(frame);
}

requestAnimationFrame(frame);
`;

/** What stands where no file is open: the way to one, or to the first ones of a project that has none. */
export const NoFile = () => {
  const workspace = useWorkspace();
  const busy = useSignal(false);
  const tree = workspace.tree.value;
  const isEmpty = tree !== undefined && (tree.children ?? []).length === 0;
  const start = async () => {
    busy.value = true;
    if (await workspace.createFile('index.html', page)) await workspace.createFile('src/main.ts', script);
    busy.value = false;
  };
  return (
    <div class="empty">
      <Arches rings={7} />
      <p>{isEmpty ? 'Nothing is here yet.' : 'Open a file on the left to write in it together.'}</p>
      {isEmpty && workspace.canWrite.value && (
        <button
          type="button"
          class="button"
          data-testid="start-files"
          disabled={busy.value}
          aria-busy={busy.value}
          onClick={() => void start()}
        >
          <Icon name="file" size={14} /> Start with a page and a script
        </button>
      )}
    </div>
  );
};
