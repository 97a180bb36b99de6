import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { limits } from '../../../src/contract/limits.ts';
import type { HeardMessage } from '../../../src/contract/room.ts';
import { etag } from '../../../src/core/etag.ts';
import { codeOf } from '../support/code-of.ts';
import { stillTime } from '../support/room-setup.ts';
import { ids, type TestClient, type TestPeer, World } from '../support/room-world.ts';

stillTime();

const scenePath = 'level.scene.json';
const commentsMax = 12;

/** Everything that is typed is a word of its own, which can be looked for. */
interface File {
  readonly isScene: boolean;
  /** Words that must be in it, unless somebody who typed one is away with it. */
  words: Set<string>;
  readonly people: Person[];
}

interface Person {
  readonly client: TestClient;
  /** Typed since this client was last known to have told the room everything. */
  untold: Set<string>;
  /** The room told them that it does not take what they typed, as they became a viewer. */
  isDenied: boolean;
}

/** A comment on a word. */
interface Remark {
  readonly id: string;
  readonly word: string;
  readonly file: File;
}

interface Kept {
  readonly id: string;
  readonly files: Map<string, { isScene: boolean; words: Set<string> }>;
}

const who = fc.nat();
const at = fc.double({ min: 0, max: 1, noNaN: true });
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('type' as const), who, at, settle: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('open' as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('offline' as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('back' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const), which: fc.nat(), at, late: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('move' as const), which: fc.nat(), to: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remark' as const), which: fc.nat(), word: fc.nat() }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restore' as const), which: fc.nat() }) },
  // Before the window ends, before the flush, after it.
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('restart' as const), after: fc.constantFrom(0, 20, 2000) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'sleep' as const }) },
  // Whoever has typed something that is on its way or was typed away: it arrives after them.
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('role' as const), at, types: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1000, 61_000, 700_000) }),
  },
);

const nodesOf = (doc: Y.Doc): Y.Map<Y.Map<unknown>> | undefined =>
  doc.getMap('root').get('nodes') as Y.Map<Y.Map<unknown>> | undefined;

/** The project channel of somebody who always comes back, and what it was told. */
class Listener {
  readonly heard: number[] = [];
  #peer: TestPeer | null = null;

  async connect(world: World): Promise<void> {
    this.take();
    this.#peer = await world.channel(ids.viewer);
    await world.send(this.#peer, JSON.stringify({ type: 'resume', since: this.heard.at(-1) ?? 0 }));
  }

  get peer(): TestPeer[] {
    return this.#peer ? [this.#peer] : [];
  }

  take(): void {
    const told = (this.#peer?.messages ?? []).filter(
      (message): message is Extract<HeardMessage, { type: 'event' }> => message.type === 'event',
    );
    for (const { event } of told) if (event.seq > (this.heard.at(-1) ?? 0)) this.heard.push(event.seq);
    this.#peer?.frames.splice(0);
  }
}

/** A project, those who work on it, and what must be true of it whatever they do. */
class Together {
  readonly world = new World();
  readonly files = new Map<string, File>();
  readonly kept: Kept[] = [];
  readonly listener = new Listener();
  remarks: Remark[] = [];
  #words = 0;
  #names = 0;

  async start(): Promise<void> {
    await this.listener.connect(this.world);
    for (const path of ['a.txt', 'b.txt']) await this.#create(path, '');
    await this.#create(scenePath, '{"nodes":{}}');
    for (const [path, file] of this.files)
      if (path !== 'b.txt') for (let person = 0; person < 2; person += 1) await this.open(path, file);
  }

  async #create(path: string, text: string): Promise<void> {
    await this.world.room.write(path, { text }, ids.owner);
    this.files.set(path, { isScene: path.endsWith('.scene.json'), words: new Set(), people: [] });
  }

  pick<T>(of: Iterable<T>, which: number): T | undefined {
    const all = [...of];
    return all[which % Math.max(1, all.length)];
  }

  get people(): (readonly [Person, File, string])[] {
    return [...this.files].flatMap(([path, file]) => file.people.map((person) => [person, file, path] as const));
  }

  word(): string {
    this.#words += 1;
    // No two begin alike: where a word was put among others is then plain to a diff. And each is long enough to be
    // looked for by a comment that has nothing else.
    return `${String.fromCharCode(0x4e00 + this.#words)}word ${this.#words}>`;
  }

  /** A place between two words. */
  #place(text: string, at: number): number {
    const ends = [0, ...[...text.matchAll(/>/g)].map(({ index }) => index + 1)];
    return ends[Math.floor(at * (ends.length - 1))] ?? 0;
  }

  type({ client, untold }: Person, { isScene }: File, at: number): void {
    const word = this.word();
    untold.add(word);
    if (!isScene) {
      client.type(this.#place(client.content, at), word);
      return;
    }
    client.doc.transact(() => {
      const nodes = nodesOf(client.doc);
      if (!nodes) throw new Error('a scene has nodes');
      // Everything under everything: circles come about when two do it at one time, or one alone.
      const parents = [null, ...nodes.keys()];
      const moved = nodes.get([...nodes.keys()][Math.floor(at * nodes.size)] ?? '');
      moved?.set('parent', parents[Math.floor(at * 7919) % parents.length] ?? null);
      nodes.set(word, new Y.Map<unknown>([['parent', parents[Math.floor(at * parents.length)] ?? null]]));
    });
  }

  async open(path: string, file: File): Promise<void> {
    if (file.people.length >= 3) return;
    const person: Person = {
      client: await this.world.client(ids.editor, path),
      untold: new Set(),
      isDenied: false,
    };
    person.client.onDenied = () => {
      person.isDenied = true;
    };
    file.people.push(person);
  }

  async offline({ client }: Person): Promise<void> {
    if (!client.online) return;
    client.drop();
    await this.world.leave(client.peer);
  }

  async back({ client }: Person, path: string): Promise<void> {
    if (client.online) return;
    client.path = path;
    await client.connect();
  }

  async close(person: Person, file: File): Promise<void> {
    // Who closes for good has told everything before.
    await this.world.settle();
    await this.#told();
    if (file.people.includes(person)) await this.#close(person, file);
  }

  /** What was typed away and never told goes with its author. */
  async #close(person: Person, file: File): Promise<void> {
    await this.offline(person);
    file.people.splice(file.people.indexOf(person), 1);
    this.world.clients.splice(this.world.clients.indexOf(person.client), 1);
  }

  /** A write through HTTP that adds a word to what was read, before or after others typed. */
  async write(path: string, file: File, at: number, late: boolean): Promise<void> {
    const word = this.word();
    const read = await this.world.room.read(path);
    if (late) for (const person of file.people) this.type(person, file, at);
    let text = read.text ?? '';
    if (file.isScene) {
      const scene = JSON.parse(text) as { nodes: Record<string, unknown> };
      scene.nodes[word] = { parent: null };
      text = JSON.stringify(scene);
    } else text = text.slice(0, this.#place(text, at)) + word + text.slice(this.#place(text, at));
    await this.world.room.write(path, { text }, ids.owner, { ifMatch: etag(read.file.hash) });
    file.words.add(word);
  }

  async move(path: string, file: File, to: number): Promise<void> {
    this.#names += 1;
    const target = `${['', 'dir/', 'dir/deep/'][to % 3]}${this.#names}.${file.isScene ? 'scene.json' : 'txt'}`;
    await this.world.room.batch([{ op: 'move', from: path, to: target }], ids.owner);
    this.files.delete(path);
    this.files.set(target, file);
    for (const { client } of file.people) client.path = target;
  }

  async #end(file: File): Promise<void> {
    for (const { client } of file.people) {
      if (client.online) expect(client.peer.closed).toBe('not_found');
      client.drop();
      await this.world.leave(client.peer);
      this.world.clients.splice(this.world.clients.indexOf(client), 1);
    }
    this.remarks = this.remarks.filter((remark) => remark.file !== file);
  }

  async delete(path: string, file: File): Promise<void> {
    await this.world.room.delete(path, ids.owner);
    this.files.delete(path);
    await this.#end(file);
    expect(await codeOf(() => this.world.room.documentTarget(path))).toBe('not_found');
    await this.#create(file.isScene ? `new-${path}` : path, file.isScene ? '{"nodes":{}}' : '');
  }

  async remark(path: string, file: File, which: number): Promise<void> {
    if (this.remarks.length >= commentsMax) return;
    // Offsets are of the text as it is when they arrive: nothing may be on its way.
    await this.world.settle();
    const text = (await this.world.text(path)) ?? '';
    const word = this.pick(
      [...file.words].filter((one) => text.includes(one)),
      which,
    );
    if (word === undefined) return;
    const from = text.indexOf(word);
    const anchor = file.isScene
      ? ({ kind: 'node', node: word, pointer: '' } as const)
      : ({ kind: 'text', from, to: from + word.length } as const);
    const { id } = await this.world.room.talk.comment(ids.viewer, { path, body: 'why?', mentions: [], anchor });
    this.remarks.push({ id, word, file });
    // The pace of one person.
    await vi.advanceTimersByTimeAsync(3000);
  }

  async checkpoint(): Promise<void> {
    await this.world.settle();
    await this.#told();
    const { id } = await this.world.room.history.checkpoint({ kind: 'manual', name: 'kept', by: ids.owner });
    this.kept.push({
      id,
      files: new Map([...this.files].map(([path, { isScene, words }]) => [path, { isScene, words: new Set(words) }])),
    });
  }

  async restore({ id, files }: Kept): Promise<void> {
    await this.world.settle();
    await this.#told();
    await this.world.room.history.restore(id, ids.owner);
    for (const [path, file] of [...this.files])
      if (!files.has(path)) {
        this.files.delete(path);
        await this.#end(file);
      }
    for (const [path, { isScene, words }] of files) {
      const file = this.files.get(path);
      // Words that came after it go, explicitly; what people typed who are away comes with them.
      if (file) file.words = new Set(words);
      else this.files.set(path, { isScene, words: new Set(words), people: [] });
    }
    this.remarks = this.remarks.filter(({ file, word }) => file.words.has(word));
  }

  async restart(after: number): Promise<void> {
    await this.world.pass(after);
    this.world.crash();
    await this.listener.connect(this.world);
    for (const [{ client }, , path] of this.people) {
      if (!client.online) continue;
      client.path = path;
      await client.connect();
    }
  }

  async sleep(): Promise<void> {
    await this.world.settle();
    await vi.advanceTimersByTimeAsync(Math.max(limits.room.savedWindow, limits.presence.window));
    const online = this.world.clients.filter((client) => client.online);
    this.listener.take();
    this.world.hibernate([...online.map(({ peer }) => peer), ...this.listener.peer]);
  }

  get #mayWrite(): boolean {
    return this.world.access.get(ids.editor) === 'editor';
  }

  /** They become viewers, and write on, or editors again. */
  async role(at: number, types: boolean): Promise<void> {
    this.world.access.set(ids.editor, this.#mayWrite ? 'viewer' : 'editor');
    await this.world.room.membersChanged();
    if (types) for (const [person, file] of this.people) this.type(person, file, at);
  }

  /** What those who are here typed is the room's by now, and of the others what arrived before they went. */
  async #told(): Promise<void> {
    await this.#leaveDenied();
    for (const [{ client, untold }, file, path] of this.people) {
      const text = client.online ? '' : ((await this.world.text(path)) ?? '');
      for (const word of untold) {
        if (!client.online && !text.includes(word)) continue;
        file.words.add(word);
        untold.delete(word);
      }
    }
  }

  /** Who was told that something is not taken leaves with it. Everybody else has all that they typed in the room, whatever their role is. */
  async #leaveDenied(): Promise<void> {
    for (const [person, file, path] of this.people) {
      if (!person.isDenied) continue;
      const text = (await this.world.text(path)) ?? '';
      expect([...person.untold].some((word) => !text.includes(word))).toBe(true);
      for (const word of person.untold) if (text.includes(word)) file.words.add(word);
      await this.#close(person, file);
    }
  }

  /** Everybody who is here has what the room stores and REST reads, and nothing that was typed is missing. */
  async check(): Promise<void> {
    await this.world.settle();
    await this.#told();
    for (const [path, { isScene, words, people }] of this.files) {
      const text = (await this.world.text(path)) ?? '';
      await this.world.settle();
      for (const { client } of people) {
        if (!client.online) continue;
        expect(client.peer.closed, path).toBeNull();
        if (isScene) expect(client.doc.getMap('root').toJSON(), path).toEqual(JSON.parse(text));
        else expect(client.content, path).toBe(text);
      }
      const missing = [...words].filter((word) => !text.includes(word));
      expect(missing, `missing in ${path}`).toEqual([]);
      if (!isScene) for (const word of words) expect(text.split(word), `${word} in ${path}`).toHaveLength(2);
      if (!isScene && people.length) expect(this.world.durable(path)).toBe(text);
    }
    for (const { id, word, file } of this.remarks) {
      const { anchor, orphaned, path, quote } = await this.world.room.comments.get(id);
      expect([path, orphaned]).toEqual([[...this.files].find(([, one]) => one === file)?.[0], false]);
      if (anchor?.kind === 'text') {
        expect(((await this.world.text(path)) ?? '').slice(anchor.from, anchor.to)).toBe(word);
        expect(quote).toBe(word);
      } else expect(anchor).toMatchObject({ kind: 'node', node: word });
    }
    const numbers = this.world.room.events(0).events.map(({ seq }) => seq);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    this.listener.take();
    expect(this.listener.heard).toEqual(numbers);
    expect(this.world.refusals).toEqual([]);
  }
}

describe('A room and those who work in it', () => {
  it('agree, and lose nothing but what was deleted or taken back, whoever goes away, comes back, moves files and goes back in time, whoever may write or only read, and however often the room dies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        vi.clearAllTimers();
        const all = new Together();
        await all.start();
        for (const action of steps) {
          const [person, file, path] = ('who' in action && all.pick(all.people, action.who)) || [];
          const [name, target] = ('which' in action && all.pick(all.files, action.which)) || [];
          if (action.kind === 'type') {
            if (person && file) all.type(person, file, action.at);
            if (!action.settle) continue;
          } else if (action.kind === 'offline') {
            if (person) await all.offline(person);
          } else if (action.kind === 'back') {
            if (person && path !== undefined) await all.back(person, path);
          } else if (action.kind === 'close') {
            if (person && file) await all.close(person, file);
          } else if (action.kind === 'checkpoint') await all.checkpoint();
          else if (action.kind === 'restore') {
            const kept = all.pick(all.kept, action.which);
            if (kept) await all.restore(kept);
          } else if (action.kind === 'restart') await all.restart(action.after);
          else if (action.kind === 'sleep') await all.sleep();
          else if (action.kind === 'pass') await all.world.pass(action.ms);
          else if (action.kind === 'role') await all.role(action.at, action.types);
          else if (name !== undefined && target) {
            if (action.kind === 'open') await all.open(name, target);
            else if (action.kind === 'write') await all.write(name, target, action.at, action.late);
            else if (action.kind === 'move') await all.move(name, target, action.to);
            else if (action.kind === 'delete') await all.delete(name, target);
            else await all.remark(name, target, action.word);
          }
          await all.check();
        }
        for (const [person, , path] of all.people) await all.back(person, path);
        await all.check();
        await all.restart(2000);
        await all.check();
      }),
      { numRuns: 100 },
    );
  }, 120_000);
});
