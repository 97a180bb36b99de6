import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newSigningKey } from '../../scripts/lib/keys.ts';
import { unused } from '../../scripts/lib/made.ts';
import { Operator } from '../../scripts/lib/operator.ts';

let servers: Server[] = [];
beforeEach(async () => {
  vi.stubEnv('AUTH_KEYS', JSON.stringify([await newSigningKey()]));
});
afterEach(() => {
  vi.unstubAllEnvs();
  for (const server of servers) server.close();
  servers = [];
});

/** A server that answers one text after the other, and then the last; with `port` at that one. */
async function serving(answers: readonly string[], port = 0): Promise<{ port: number; server: Server }> {
  let asked = 0;
  const server = createServer((_request, response) => {
    response.setHeader('connection', 'close');
    response.end(answers[Math.min(asked, answers.length - 1)]);
    asked += 1;
  });
  servers.push(server);
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return { port: (server.address() as AddressInfo).port, server };
}

const stopped = async (server: Server): Promise<void> => void (await once(server.close(), 'close'));
const job = (status: string): string => JSON.stringify({ job: { id: 'j', kind: 'gc', status, stage: 'rows' } });

describe('The commands of an operator', () => {
  it('say which address did not answer, and what to start', async () => {
    const { port, server } = await serving(['']);
    await stopped(server);
    const operator = new Operator(`http://127.0.0.1:${port}/`);
    await expect(operator.backups()).rejects.toThrow(
      `Nothing answers at http://127.0.0.1:${port} (ECONNREFUSED). Start the system there with "npm run dev", or name the one that you mean with --url.`,
    );
    await expect(operator.run('gc', {}, () => undefined)).rejects.toThrow(
      `Nothing answers at http://127.0.0.1:${port}`,
    );
  });

  it('say that what answers is something else', async () => {
    const { port } = await serving(['<h1>Another program</h1>']);
    await expect(new Operator(`http://127.0.0.1:${port}`).backups()).rejects.toThrow(
      `What answers at http://127.0.0.1:${port} is no Kiln: it said 200`,
    );
  });

  it('stay with a job while its system starts again', async () => {
    const { port, server } = await serving([job('running')]);
    const stages: string[] = [];
    const done = new Operator(`http://127.0.0.1:${port}`).run('gc', {}, (stage) => {
      stages.push(stage);
      // The next look finds nobody, the one after it a system again.
      void stopped(server).then(() => setTimeout(() => void serving([job('done')], port), 700));
    });
    expect(await done).toMatchObject({ status: 'done' });
    expect(stages).toEqual(['rows']);
  });
});

describe('Folders that are made once for each state of the sources', () => {
  it('go when nobody used them for a day, but for the newest few', () => {
    const hour = 3_600_000;
    const ages = [1, 2, 23, 25, 40, 90];
    const folders = ages.map((hours) => ({ name: `${hours}`, usedAt: 1000 * hour - hours * hour }));
    expect(unused([...folders].reverse(), 1000 * hour)).toEqual(['25', '40', '90']);
    expect(unused(folders.slice(3), 1000 * hour)).toEqual([]);
    expect(unused(folders.slice(0, 3), 1000 * hour)).toEqual([]);
  });
});
