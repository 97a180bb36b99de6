import { Buffer } from 'node:buffer';
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { within } from '../../core/within.ts';

/** `scrypt$N$r$p$salt$key`, base64url: the parameters travel with the hash, so they can be raised later. */
interface Stored {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

type Cost = Pick<Stored, 'cost' | 'blockSize' | 'parallelization'>;

const parameters = limits.auth.scrypt;

/** One at a time per isolate: each takes 16 MiB, and an isolate has 128. */
let queue: Promise<unknown> = Promise.resolve();
/** When those that wait or run began. Who disappeared in the middle, with its request, stops to count. */
const waiting = new Set<{ readonly since: number }>();

const work = (
  password: string,
  salt: Buffer,
  { cost, blockSize, parallelization }: Cost,
  length: number,
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const options = { N: cost, r: blockSize, p: parallelization, maxmem: 256 * cost * blockSize };
    scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
  });

/** Throws `unavailable` when too many wait: a queue that grows without end answers nobody. */
async function derive(password: string, salt: Buffer, cost: Cost, length: number): Promise<Buffer> {
  const place = { since: Date.now() };
  for (const other of waiting) if (other.since < place.since - limits.auth.hashPatience) waiting.delete(other);
  if (waiting.size >= limits.auth.hashesWaiting)
    throw new KilnError('unavailable', { detail: 'Too many sign-ins at this moment.', retryAfter: 2 });
  waiting.add(place);
  const before = within(limits.auth.hashPatience, queue, () => new Error('lost')).catch(() => undefined);
  const result = before.then(() => work(password, salt, cost, length));
  queue = result.catch(() => undefined);
  try {
    return await result;
  } finally {
    waiting.delete(place);
  }
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

/** Whether a hash was made with other parameters than today's, so that a sign-in should renew it. */
export function isOutdated(stored: string): boolean {
  const known = parse(stored);
  return (
    known === null ||
    known.cost !== parameters.cost ||
    known.blockSize !== parameters.blockSize ||
    known.parallelization !== parameters.parallelization ||
    known.key.length !== parameters.keyLength
  );
}
