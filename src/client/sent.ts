/** Sends a request as `fetch` does, and says how many bytes of its body have gone. */
export type Sender = (url: string, init: RequestInit, onSent: (bytes: number) => void) => Promise<Response>;

/** What is used of the browser's older request here; workerd and Node, whose types this project has, know none. */
interface OldRequest {
  responseType: string;
  readonly status: number;
  readonly response: Blob;
  readonly upload: { onprogress: ((event: { readonly loaded: number }) => void) | null };
  onload: (() => void) | null;
  onerror: (() => void) | null;
  onabort: (() => void) | null;
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  getAllResponseHeaders(): string;
  send(body: unknown): void;
  abort(): void;
}

const bodyless = [204, 205, 304];

/** `fetch` in a browser tells nothing of a body on its way; XMLHttpRequest does. */
const byOldRequest = (make: new () => OldRequest): Sender => {
  return (url, init, onSent) =>
    new Promise((resolve, reject) => {
      const aborted = () => reject(init.signal?.reason ?? new DOMException('aborted', 'AbortError'));
      if (init.signal?.aborted) return aborted();
      const request = new make();
      const stop = () => request.abort();
      const settle = (then: () => void) => () => {
        init.signal?.removeEventListener('abort', stop);
        then();
      };
      request.open(init.method ?? 'GET', url);
      request.responseType = 'blob';
      new Headers(init.headers).forEach((value, name) => {
        request.setRequestHeader(name, value);
      });
      request.upload.onprogress = ({ loaded }) => onSent(loaded);
      request.onload = settle(() => {
        const headers = new Headers();
        for (const line of request.getAllResponseHeaders().trim().split('\r\n')) {
          const colon = line.indexOf(':');
          if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
        }
        const body = bodyless.includes(request.status) ? null : request.response;
        resolve(new Response(body, { status: request.status, headers }));
      });
      request.onerror = settle(() => reject(new TypeError('the request failed')));
      request.onabort = settle(aborted);
      init.signal?.addEventListener('abort', stop);
      request.send(init.body ?? null);
    });
};

const byFetch: Sender = (url, init) => globalThis.fetch(url, init);

/** The best that this place has: in browsers with steps on the way, elsewhere without. */
export const sender = (): Sender => {
  const { XMLHttpRequest } = globalThis as unknown as { XMLHttpRequest?: new () => OldRequest };
  return XMLHttpRequest === undefined ? byFetch : byOldRequest(XMLHttpRequest);
};
