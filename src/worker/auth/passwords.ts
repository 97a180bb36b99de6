import { Buffer } from 'node:buffer';
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { limits } from '../../contract/limits.ts';

/** `scrypt$N$r$p$salt$key`, base64url: the parameters travel with the hash, so they can be raised later. */
interface Stored {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

const parameters = limits.auth.scrypt;

/** One at a time per isolate: each takes 16 MiB, and an isolate has 128. */
let queue: Promise<unknown> = Promise.resolve();

function derive(
  password: string,
  salt: Buffer,
  { cost, blockSize, parallelization }: Pick<Stored, 'cost' | 'blockSize' | 'parallelization'>,
  length: number,
): Promise<Buffer> {
  const work = (): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const options = { N: cost, r: blockSize, p: parallelization, maxmem: 256 * cost * blockSize };
      scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
    });
  const result = queue.then(work);
  queue = result.catch(() => undefined);
  return result;
}

function parse(stored: string): Stored | null {
  const [scheme, cost, blockSize, parallelization, salt, key] = stored.split('$');
  if (scheme !== 'scrypt' || !salt || !key) return null;
  return {
    cost: Number(cost),
    blockSize: Number(blockSize),
    parallelization: Number(parallelization),
    salt: Buffer.from(salt, 'base64url'),
    key: Buffer.from(key, 'base64url'),
  };
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(parameters.saltLength);
  const key = await derive(password, salt, parameters, parameters.keyLength);
  return [
    'scrypt',
    parameters.cost,
    parameters.blockSize,
    parameters.parallelization,
    salt.toString('base64url'),
    key.toString('base64url'),
  ].join('$');
}

/** Without a stored hash it costs the same and is false: an unknown email cannot be told from a wrong password. */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const known = stored === null ? null : parse(stored);
  const { salt, key, ...cost } = known ?? {
    ...parameters,
    salt: Buffer.alloc(parameters.saltLength),
    key: Buffer.alloc(parameters.keyLength),
  };
  const derived = await derive(password, salt, cost, key.length);
  return timingSafeEqual(derived, key) && known !== null;
}
