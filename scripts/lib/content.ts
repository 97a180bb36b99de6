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
