import { type ClientOptions, createClient, type KilnClient } from '../../src/client/index.ts';
import type { Build } from '../../src/contract/builds.ts';
import { newId } from '../../src/contract/ids.ts';

/** A fresh account on a running system. */
export async function signUp(origin: string, name = 'user', options: Partial<ClientOptions> = {}): Promise<KilnClient> {
  const client = createClient({ baseUrl: origin, ...options });
  const unique = newId().slice(-12);
  await client.register({
    email: `${name}-${unique}@kiln.test`,
    username: `${name}-${unique}`,
    password: `correct horse ${unique}`,
  });
  return client;
}

/** Waits for something that another process brings about, asking every `pause` milliseconds; the test's own timeout bounds it. */
export async function until(check: () => boolean | Promise<boolean>, pause = 25): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, pause));
}

/** Builds when all of them have ended. Asks for one after the other: a crowd of questions would be what the machine does. */
export async function allEnded<T>(ids: readonly T[], show: (id: T) => Promise<Build>): Promise<Build[]> {
  const ended: Build[] = [];
  for (const id of ids) {
    await until(async () => {
      const build = await show(id);
      const hasEnded = build.status !== 'queued' && build.status !== 'building';
      if (hasEnded) ended.push(build);
      return hasEnded;
    }, 250);
  }
  return ended;
}
