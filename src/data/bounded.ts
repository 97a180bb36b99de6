import { limits } from '../contract/limits.ts';
import { noAnswer, within } from '../core/within.ts';

const { patience } = limits;

const bytesOf = (value: unknown): number => {
  if (typeof value === 'string') return value.length;
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value) ? value.byteLength : 0;
};

/** How long a call may take that carries so many bytes, either way. Milliseconds. */
export const timeFor = (bytes: number): number => patience.store + Math.ceil((bytes * 1000) / patience.bytesPerSecond);

const timeOf = (given: readonly unknown[], coming: number): number =>
  given.some((value) => value instanceof ReadableStream)
    ? patience.stream
    : timeFor(given.reduce<number>((sum, value) => sum + bytesOf(value), coming));

interface Handle {
  readonly size?: number;
  readonly body?: ReadableStream;
}

/** An object whose bytes are still to come, or an upload that waits for its parts: what they are asked waits for the store again. */
const isHandle = (value: unknown): value is Handle =>
  typeof value === 'object' && value !== null && ('bodyUsed' in value || 'uploadId' in value);

/**
 * A binding that answers every call in time, or throws `unavailable`. A body that is passed on as a
 * stream is not bounded here: it is as slow as its reader.
 */
function bounded<T extends object>(what: string, target: T, size = 0): T {
  const wrap = (value: unknown): unknown => (isHandle(value) ? bounded(what, value, value.size) : value);
  return new Proxy(target, {
    get(object, name) {
      const value: unknown = Reflect.get(object, name, object);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]): unknown => {
        const result: unknown = value.apply(object, given);
        if (!(result instanceof Promise)) return wrap(result);
        const silence = (): Error => {
          // What comes after all is read by nobody.
          void result.then((late) => (isHandle(late) ? late.body?.cancel() : undefined)).catch(() => undefined);
          return noAnswer(what);
        };
        return within(timeOf(given, size), result, silence).then(wrap);
      };
    },
  });
}

/** The binding may be a stub, of which every property looks like a method: it cannot be wrapped as the others are. */
const boundedMail = (mail: SendEmail): SendEmail => ({
  send: (message: EmailMessage | EmailMessageBuilder) =>
    within(limits.patience.store, mail.send(message as EmailMessageBuilder), () => noAnswer('The mail service')),
});

const known = new WeakMap<Env, Env>();

/**
 * The environment with stores and queue that answer in time: R2, KV, Queues and mail have no time-out of
 * their own. The database is bounded by its engine, objects by `unwrap`. Made once per isolate.
 */
export function boundedEnv(env: Env): Env {
  const before = known.get(env);
  if (before) return before;
  const store = 'The object store';
  const made: Env = {
    ...env,
    ASSETS: bounded(store, env.ASSETS),
    BUILDS: bounded(store, env.BUILDS),
    EXPORTS: bounded(store, env.EXPORTS),
    CACHE: bounded('The cache', env.CACHE),
    BUILD_QUEUE: bounded('The queue', env.BUILD_QUEUE),
    BUILD_PULL_QUEUE: bounded('The queue', env.BUILD_PULL_QUEUE),
    EMAIL: boundedMail(env.EMAIL),
  };
  known.set(env, made);
  known.set(made, made);
  return made;
}
