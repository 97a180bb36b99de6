import { KilnApiError, type KilnClient } from '../../src/client/index.ts';
import { newId } from '../../src/contract/ids.ts';
import { etag } from '../../src/core/etag.ts';

/** What somebody was told: this content is at this path, as this event. */
export interface Acknowledged {
  readonly path: string;
  readonly hash: string;
  readonly seq: number;
  /** Of a write with `If-Match`: the content that it named. */
  readonly base?: string;
}

export const groups = 4;
export const groupSize = 5;
export const counter = 'counter.txt';
export const where = (directory: string): string => `${directory}/where.txt`;

/** The tree that the crowd starts from. */
export const firstTree = [
  { op: 'put' as const, path: counter, content: 'start' },
  ...Array.from({ length: 3 }, (_, n) => ({ op: 'put' as const, path: `live/${n}.txt`, content: 'typed:' })),
  ...Array.from({ length: groups }, (_, group) => [
    { op: 'put' as const, path: where(`moving/${group}`), content: 'here' },
    ...Array.from({ length: 3 }, (_unused, n) => ({
      op: 'put' as const,
      path: `moving/${group}/here/${n}.txt`,
      content: `${group} ${n}`,
    })),
  ]).flat(),
];

const pick = (count: number): number => Math.floor(Math.random() * count);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** People who write into one project at once, each in its own way, and a journal of what they were told. */
export class Crowd {
  readonly acknowledged: Acknowledged[] = [];
  /** Answers by kind of work and outcome: `counter precondition_failed`. */
  readonly outcomes = new Map<string, number>();
  /** Answers that no honest client should get. */
  readonly surprises: unknown[] = [];
  readonly #project: { readonly id: string };
  #running = false;
  #working: Promise<unknown> = Promise.resolve();

  constructor(projectId: string) {
    this.#project = { id: projectId };
  }

  count(outcome: string): number {
    return this.outcomes.get(outcome) ?? 0;
  }

  /** `each` of every kind of writer, spread over the accounts; and the owner, who goes back in time. */
  start(owner: KilnClient, editors: readonly KilnClient[], each: number): void {
    this.#running = true;
    const kinds = {
      put: this.#put,
      batch: this.#batch,
      move: this.#move,
      count: this.#count,
      refused: this.#refused,
    };
    const writers = Object.entries(kinds).flatMap(([name, kind]) =>
      Array.from({ length: each }, (_, index) => {
        const client = editors[index % editors.length] ?? owner;
        return this.#repeat(name, () => kind(client));
      }),
    );
    this.#working = Promise.all([...writers, this.#repeat('restore', () => this.#restore(owner))]);
  }

  /** Everybody ends what is under way. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#working;
  }

  /** What a write may be answered while others write, move and go back in time. */
  readonly #expected: ReadonlySet<string> = new Set([
    'precondition_failed',
    'not_found',
    'file_exists',
    'path_conflict',
    'conflict',
    'unavailable',
  ]);

  async #repeat(kind: string, work: () => Promise<string>): Promise<void> {
    while (this.#running) {
      let outcome: string;
      try {
        outcome = await work();
      } catch (error) {
        outcome = error instanceof KilnApiError ? error.code : 'lost';
        // With a cause it is an answer that broke off: the system died while it was being read.
        if (error instanceof KilnApiError && error.cause !== undefined) outcome = 'lost';
        else if (error instanceof KilnApiError && !this.#expected.has(error.code)) this.surprises.push(error);
      }
      const key = `${kind} ${outcome}`;
      this.outcomes.set(key, this.count(key) + 1);
      await pause(outcome === 'lost' ? 100 : pick(30));
    }
  }

  readonly #put = async (client: KilnClient): Promise<string> => {
    const path = `shared/${pick(10)}.txt`;
    const { file } = await client.call('putFile', {
      params: { ...this.#project, path },
      body: { content: newId() },
    });
    this.acknowledged.push({ path, hash: file.hash, seq: file.seq });
    return 'done';
  };

  /** Every file of a group gets the same content, or none. */
  readonly #batch = async (client: KilnClient): Promise<string> => {
    const group = pick(groups);
    const content = newId();
    const { results } = await client.call('batchFiles', {
      params: this.#project,
      body: {
        operations: Array.from({ length: groupSize }, (_, n) => ({
          op: 'put' as const,
          path: `group/${group}/${n}.txt`,
          content,
        })),
      },
    });
    for (const { path, file } of results) if (file) this.acknowledged.push({ path, hash: file.hash, seq: file.seq });
    return 'done';
  };

  /** A directory goes, with a note that says where to; or files of one's own come, go elsewhere and end. */
  readonly #move = async (client: KilnClient): Promise<string> => {
    if (pick(2) === 0) {
      const path = `own/${newId()}.txt`;
      await client.call('putFile', { params: { ...this.#project, path }, body: { content: path } });
      const to = path.replace('own', 'moved');
      await client.call('batchFiles', {
        params: this.#project,
        body: { operations: [{ op: 'move', from: path, to }] },
      });
      await client.call('deleteFile', { params: { ...this.#project, path: to } });
      return 'done';
    }
    const directory = `moving/${pick(groups)}`;
    const [from, to] = pick(2) === 0 ? ['here', 'there'] : ['there', 'here'];
    await client.call('batchFiles', {
      params: this.#project,
      body: {
        operations: [
          { op: 'put', path: where(directory), content: to },
          { op: 'move', from: `${directory}/${from}`, to: `${directory}/${to}` },
        ],
      },
    });
    return 'done';
  };

  /** Of all who have read the same content, one may write. */
  readonly #count = async (client: KilnClient): Promise<string> => {
    const params = { ...this.#project, path: counter };
    const { file: before } = await client.call('getFile', { params });
    const { file } = await client.call('putFile', {
      params,
      body: { content: newId() },
      headers: { 'if-match': etag(before.hash) },
    });
    this.acknowledged.push({ path: counter, hash: file.hash, seq: file.seq, base: before.hash });
    return 'done';
  };

  /** A batch whose last operation cannot be. */
  readonly #refused = async (client: KilnClient): Promise<string> => {
    await client.call('batchFiles', {
      params: this.#project,
      body: {
        operations: [
          { op: 'put', path: `half/${newId()}.txt`, content: 'half of a batch' },
          { op: 'put', path: where('moving/0'), content: 'half of a batch' },
          { op: 'delete', path: 'half/nothing/is/here' },
        ],
      },
    });
    return 'done';
  };

  readonly #restore = async (owner: KilnClient): Promise<string> => {
    const { checkpoint } = await owner.call('createCheckpoint', { params: this.#project, body: {} });
    await pause(500);
    await owner.call('restoreCheckpoint', { params: { ...this.#project, checkpointId: checkpoint.id } });
    return 'done';
  };
}
