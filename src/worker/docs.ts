import type { Hono } from 'hono';
import { html } from 'hono/html';
import { errorCodes, errorSpec } from '../contract/errors.ts';
import { limits } from '../contract/limits.ts';
import { keptFor } from './http/caching.ts';
import type { AppEnv } from './http/context.ts';
import { openApiDocument } from './openapi.ts';

/** Swagger UI styles elements of its own inline; scripts come from this origin only. */
const docsPolicy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; object-src 'none'";

const style =
  'body{font:16px/1.6 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1f2328}h2{margin-top:2rem;font-size:1.1rem}code{background:#f1efec;padding:.1em .3em;border-radius:4px}dt{color:#6b6560}';

/** Pages about the API, served by the Worker itself. They are public and hold nothing of anybody. */
export function docsPages(app: Hono<AppEnv>): void {
  app.get('/openapi.json', (c) =>
    c.newResponse(openApiDocument(), 200, {
      'content-type': 'application/json',
      'cache-control': keptFor('public', limits.http.documentAge),
      'access-control-allow-origin': '*',
    }),
  );

  app.get('/docs', (c) => {
    c.header('content-security-policy', docsPolicy);
    return c.html(html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Kiln API</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/swagger/swagger-ui.css"></head>
<body><div id="swagger"></div><script src="/swagger/swagger-ui-bundle.js"></script><script src="/swagger/start.js"></script></body></html>`);
  });

  app.get('/docs/errors', (c) => {
    c.header('content-security-policy', docsPolicy);
    return c.html(html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Kiln errors</title><meta name="viewport" content="width=device-width"><style>${style}</style></head>
<body><h1>Errors</h1><p>Every error is an RFC 9457 problem document; its <code>code</code> is one of these, its <code>type</code> links here.</p>
${errorCodes.map((code) => {
  const spec = errorSpec(code);
  return html`<h2 id="${code}"><code>${code}</code> — ${spec.title}</h2><p>${spec.help}</p>
<dl><dt>HTTP ${spec.status}${spec.close ? `, WebSocket close ${spec.close}` : ''} · ${spec.retryable ? 'may succeed when sent again' : 'will not succeed when sent again unchanged'}</dt></dl>`;
})}
</body></html>`);
  });
}
