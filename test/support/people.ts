import { createClient, type KilnClient } from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';

/** A fresh account on a running system. */
export async function signUp(origin: string, name = 'user'): Promise<KilnClient> {
  const client = createClient({ baseUrl: origin });
  const unique = newId().slice(-12);
  await client.register({
    email: `${name}-${unique}@kiln.test`,
    username: `${name}-${unique}`,
    password: `correct horse ${unique}`,
  });
  return client;
}

/** Waits for something that another process brings about; the test's own timeout bounds it. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 25));
}
