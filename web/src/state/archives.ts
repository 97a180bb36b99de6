import type { Project } from '../../../src/contract/projects.ts';
import { client } from './session.ts';

/** What the server calls the file (RFC 8187). */
const fileName = (answer: Response): string => {
  const encoded = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get('content-disposition') ?? '')?.[1];
  return encoded === undefined ? 'project.zip' : decodeURIComponent(encoded);
};

/** Saves a project as a zip. A link could not carry the access token, so the bytes come here first; the browser keeps large ones on disk. */
export const downloadProject = async (project: Pick<Project, 'id'>): Promise<void> => {
  const answer = await client.raw('exportProject', { params: { id: project.id } });
  const url = URL.createObjectURL(await answer.blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName(answer);
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
};

/** `fetch` that tells how much of the body is sent, which the real one does not. `onSent` gets a share from 0 to 1. */
const watchedFetch =
  (onSent: (share: number) => void) =>
  (url: string, init: RequestInit): Promise<Response> =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(init.method ?? 'GET', url);
      request.responseType = 'blob';
      new Headers(init.headers).forEach((value, name) => {
        request.setRequestHeader(name, value);
      });
      request.upload.onprogress = ({ loaded, total }) => onSent(total > 0 ? loaded / total : 0);
      request.onload = () => {
        const headers = new Headers();
        for (const line of request.getAllResponseHeaders().trim().split('\r\n')) {
          const colon = line.indexOf(':');
          if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
        }
        resolve(new Response(request.response as Blob, { status: request.status, headers }));
      };
      request.onerror = () => reject(new TypeError('the request failed'));
      request.onabort = () => reject(new DOMException('aborted', 'AbortError'));
      init.signal?.addEventListener('abort', () => request.abort());
      request.send(init.body as XMLHttpRequestBodyInit);
    });

/** Makes a project of a zip. */
export const importProject = async (
  file: File,
  options: { name: string; key: string; signal: AbortSignal; onSent: (share: number) => void },
) =>
  client.call('importProject', {
    query: { name: options.name || undefined },
    body: file,
    idempotencyKey: options.key,
    signal: options.signal,
    fetch: watchedFetch(options.onSent),
  });
