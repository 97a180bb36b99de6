/** Answers requests for the files of the game: the same bytes, types and policy whatever asks. Needs nothing of Electron. */
const { readFile } = require('node:fs/promises');
const { extname, join } = require('node:path');

/** Types that a browser insists on: it runs no script and compiles no wasm of another one. The rest it finds out by itself. */
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.mp3': 'audio/mpeg',
  '.ogg': 'audio/ogg',
  '.wav': 'audio/wav',
  '.m4a': 'audio/mp4',
  '.mp4': 'video/mp4',
  '.webm': 'video/webm',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.xml': 'application/xml',
  '.glb': 'model/gltf-binary',
  '.gltf': 'model/gltf+json',
};

/** One range of bytes as media elements ask for it; null when the header asks for something else. */
const rangeOf = (header, size) => {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return null;
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start > end ? 'unsatisfiable' : { start, end };
};

/** @returns a function from a request to its answer. `root` is the folder of the site, `policy` its Content-Security-Policy. */
exports.serveSite = (root, policy) => async (request) => {
  if (request.method !== 'GET' && request.method !== 'HEAD') return new Response(null, { status: 405 });
  let path;
  try {
    path = decodeURIComponent(new URL(request.url).pathname);
  } catch {
    return new Response(null, { status: 400 });
  }
  // `URL` has resolved plain dots already; what is left of them was escaped on purpose.
  if (/[\\\0]|(?:^|\/)\.\.(?:\/|$)/.test(path)) return new Response(null, { status: 400 });
  const file = join(root, path.endsWith('/') ? `${path}index.html` : path);
  let bytes;
  try {
    bytes = await readFile(file);
  } catch {
    return new Response('Not found', { status: 404 });
  }
  const headers = {
    'content-type': types[extname(file).toLowerCase()] ?? 'application/octet-stream',
    'content-security-policy': policy,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-cache',
    'accept-ranges': 'bytes',
  };
  const range = rangeOf(request.headers.get('range'), bytes.length);
  if (range === 'unsatisfiable') {
    return new Response(null, { status: 416, headers: { 'content-range': `bytes */${bytes.length}` } });
  }
  const body = range === null ? bytes : bytes.subarray(range.start, range.end + 1);
  return new Response(request.method === 'HEAD' ? null : body, {
    status: range === null ? 200 : 206,
    headers: {
      ...headers,
      'content-length': String(body.length),
      ...(range === null ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${bytes.length}` }),
    },
  });
};
