import type { Right } from '../../contract/rights.ts';
import type { Caller } from '../../durable-objects/room/members.ts';
import { type Answer, unwrap } from '../../durable-objects/rpc.ts';
import type { RemoteRoom } from '../../durable-objects/stubs.ts';

/**
 * A project's room as one endpoint may use it: every call carries the caller and the right that the
 * endpoint declares, and the room checks both before it does anything. A project's handler that never
 * came through here is not answered (see mount.ts).
 */
export class GatedRoom {
  readonly projectId: string;
  readonly #stub: RemoteRoom;
  readonly caller: Caller;
  readonly #right: Right;
  #entered = false;

  constructor(projectId: string, stub: RemoteRoom, caller: Caller, right: Right) {
    this.projectId = projectId;
    this.#stub = stub;
    this.caller = caller;
    this.#right = right;
  }

  get entered(): boolean {
    return this.#entered;
  }

  /** One gated call: `room.call((stub, caller, right) => stub.read(caller, right, path))`. */
  async call<T>(work: (stub: RemoteRoom, caller: Caller, right: Right) => PromiseLike<Answer<T>>): Promise<T> {
    const value = await unwrap(work(this.#stub, this.caller, this.#right));
    this.#entered = true;
    return value;
  }

  /** Only the gate; how the caller sees the project. */
  enter() {
    return this.call((stub, caller, right) => stub.authorize(caller, right));
  }

  /** What the platform tells the room on its own behalf, after the gate. */
  async tell(work: (stub: RemoteRoom) => PromiseLike<Answer<unknown>>): Promise<void> {
    if (!this.#entered) throw new Error('the gate comes first');
    await unwrap(work(this.#stub));
  }
}
