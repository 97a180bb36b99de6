import { request } from 'node:http';

export interface ContentAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * Fetches from a build's own host. Browsers take `*.localhost` for this machine; Node asks a resolver
 * that may not, so the connection goes to the loopback address and the name into `Host`.
 */
export function fetchContent(
  url: string,
  path = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<ContentAnswer> {
  const target = new URL(path, url);
  const local = target.hostname.endsWith('.localhost');
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: local ? '127.0.0.1' : target.hostname,
        port: target.port || 80,
        path: target.pathname + target.search,
        // The bytes as they are: who does not say this may get them in any coding.
        headers: { host: target.host, 'accept-encoding': 'identity', ...headers },
      },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(parts) }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** Follows a link into an origin of the content host, as a browser does: `url` is where it led, `headers` what is sent there. */
export async function enterContent(url: string): Promise<{ url: string; headers: Record<string, string> }> {
  const { status, headers } = await fetchContent(url);
  if (status !== 303) return { url, headers: {} };
  const [cookie = ''] = (headers['set-cookie']?.[0] ?? '').split(';');
  return { url: new URL(String(headers.location), url).href, headers: { cookie } };
}
