import { brotliCompress, constants, gzip } from 'node:zlib';
import { limits } from '../../contract/limits.ts';
import { keep, kept } from '../assets/edge-cache.ts';
import type { AppContext } from '../http/context.ts';

/**
 * Content codings of what games are made of. Cloudflare's edge compresses by itself on the way to the player, at low
 * effort and anew for each; workerd alone, and every other host, does not. What is done here is done once per content
 * and data centre, and the edge passes it on as it is.
 */
export type Coding = 'br' | 'gzip';

/** Types whose bytes are not compressed yet. */
const compressible =
  /^(?:text\/|image\/svg\+xml|image\/(?:bmp|x-icon|vnd\.microsoft\.icon)|font\/(?:ttf|otf)|model\/(?:gltf\+json|gltf-binary|obj)|application\/(?:javascript|json|wasm|xml|manifest\+json|[\w.+-]+\+(?:json|xml)))/;

/** What the player takes. The platform says something else in the header: what it can undo on the way. */
function clientAccepts(request: Request): string {
  const said = (request as Request<unknown, IncomingRequestCfProperties>).cf?.clientAcceptEncoding;
  return typeof said === 'string' ? said : (request.headers.get('accept-encoding') ?? '');
}

/** The coding to answer with; null: as it is. Ranges are of the plain bytes. */
export function codingFor(request: Request, file: { readonly size: number; readonly mimeType: string }): Coding | null {
  const { compressMin, compressMax } = limits.publication;
  if (file.size < compressMin || file.size > compressMax || !compressible.test(file.mimeType)) return null;
  if (request.headers.has('range')) return null;
  const accepted = new Map(
    clientAccepts(request)
      .split(',')
      .map((part) => {
        const [name = '', ...parameters] = part
          .trim()
          .toLowerCase()
          .split(/\s*;\s*/);
        const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
        return [name, quality === undefined ? 1 : Number(quality)] as const;
      }),
  );
  return (['br', 'gzip'] as const).find((coding) => (accepted.get(coding) ?? 0) > 0) ?? null;
}

type Done = (error: Error | null, bytes: Uint8Array) => void;
const promised = (start: (done: Done) => void): Promise<Uint8Array> =>
  new Promise((resolve, reject) => start((error, bytes) => (error ? reject(error) : resolve(bytes))));

/** Effort: most of what is to be had, at 50 MB/s. */
const compressors: Readonly<Record<Coding, (bytes: Uint8Array) => Promise<Uint8Array>>> = {
  br: (bytes) => {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    return promised((done) => brotliCompress(bytes, { params }, done));
  },
  gzip: (bytes) => promised((done) => gzip(bytes, done)),
};

/** Raised when the same content comes out differently. */
const version = 1;

/** The bytes in that coding, from the cache of this data centre where they were asked for before. */
export async function encoded(
  c: AppContext,
  sha256: string,
  coding: Coding,
  open: () => Promise<ReadableStream>,
): Promise<Uint8Array> {
  const name = `${coding}${version}/${sha256}`;
  const cached = await kept(c, name);
  if (cached) return new Uint8Array(await new Response(cached).arrayBuffer());
  const plain = new Uint8Array(await new Response(await open()).arrayBuffer());
  const bytes = await compressors[coding](plain);
  keep(c, name, bytes.length, async () => bytes);
  return bytes;
}
