import { limits } from '../../contract/limits.ts';
import type { Access } from '../../contract/projects.ts';
import type { LogFields } from '../../core/log.ts';
import type { Channel } from './channel.ts';
import type { Members } from './members.ts';
import type { Peer } from './peer.ts';

export interface StandingPorts {
  readonly members: Members;
  now(): number;
  log(event: string, fields: LogFields, level?: 'info' | 'warn' | 'error'): void;
}

/**
 * Whether the people behind the sockets may still be here, and as what. A socket passes the gate once, on its way in; rights and sign-ins end
 * later. The room is told when they do; as a notice may get lost, every socket is also looked at again when that was long ago. [R11]
 */
export class Standing {
  readonly #channel: Channel;
  readonly #ports: StandingPorts;
  #lookedAt: number;
  #looking: Promise<void> | null = null;
  /** Looks that were begun, and the newest of them that was acted on. */
  #begun = 0;
  #acted = 0;

  constructor(channel: Channel, ports: StandingPorts, lookedAt: number) {
    this.#channel = channel;
    this.#ports = ports;
    this.#lookedAt = lookedAt;
  }

  /** Closes and downgrades sockets by what the database says now. An answer that comes after that to a later question changes nothing. */
  async look(): Promise<void> {
    const lookedAt = this.#ports.now();
    this.#begun += 1;
    const turn = this.#begun;
    const changed = new Set<string>();
    const users = new Set(this.#channel.everyone().map((peer) => peer.state.user.userId));
    const sessions = new Set(this.#channel.everyone().flatMap(({ state }) => state.session ?? []));
    const [seen, ended] = await Promise.all([
      users.size ? this.#ports.members.lookAtAll([...users]) : new Map<string, Access>(),
      sessions.size ? this.#ports.members.endedSessions([...sessions]) : new Set<string>(),
    ]);
    if (turn < this.#acted) return;
    this.#acted = turn;
    for (const peer of this.#channel.everyone()) {
      // Who came while the database was asked was looked at on the way in.
      if (!users.has(peer.state.user.userId)) continue;
      if (peer.state.session !== undefined && ended.has(peer.state.session)) {
        this.#endPeer(peer);
        continue;
      }
      const access = seen.get(peer.state.user.userId);
      if (access === undefined || access === 'public') {
        // Frames that are on their way already find no right to write.
        peer.state.access = 'public';
        peer.close('forbidden');
      } else if (access !== peer.state.access && peer.state.access !== 'public') {
        peer.state.access = access;
        peer.persist();
        changed.add(peer.state.user.userId);
      }
    }
    for (const userId of changed) this.#channel.changed(userId);
    this.#lookedAt = lookedAt;
  }

  /** Sign-ins of a user have ended, or with null all of them: their sockets go at once. */
  end(userId: string, sessions: readonly string[] | null): void {
    for (const peer of this.#channel.everyone()) {
      const { user, session } = peer.state;
      if (user.userId === userId && (sessions === null || session === undefined || sessions.includes(session)))
        this.#endPeer(peer);
    }
  }

  /**
   * A notice of a change may get lost: nobody acts on a socket for longer than the cache lives without being looked at again. Asked before every
   * frame: null, and no promise, where the last look is recent enough. Frames that wait for one are waited for by those behind them, though
   * another look may be done sooner: a question must not overtake the edits that it is about. [R2]
   */
  recheck(): Promise<void> | null {
    if (this.#looking === null && this.#ports.now() - this.#lookedAt < limits.room.memberCacheTtl) return null;
    if (this.#looking) return this.#looking;
    const looking = this.look().catch((error: unknown) => {
      // The database may be away for a moment; for longer nobody goes on without being looked at.
      if (this.#ports.now() - this.#lookedAt > limits.room.memberGrace) throw error;
      this.#ports.log('room.check_failed', { message: String(error) }, 'warn');
    });
    this.#looking = looking;
    // Before those who wait for it go on, and with nothing between this and them.
    const done = () => {
      this.#looking = null;
    };
    looking.then(done, done);
    return looking;
  }

  /**
   * Before anything happens that the sockets would hear of: whoever they belong to is looked at again, when that was long ago. Where the
   * database is away for too long to know, they end.
   */
  async lookAround(): Promise<void> {
    if (this.#channel.socketCount === 0) return;
    try {
      await this.recheck();
    } catch {
      for (const peer of this.#channel.everyone()) peer.close('unavailable');
    }
  }

  #endPeer(peer: Peer): void {
    // Frames that are on their way already find no right to write.
    peer.state.access = 'public';
    peer.close('unauthenticated');
  }
}
