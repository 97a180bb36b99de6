import { limits } from '../../contract/limits.ts';
import type { Peer } from './peer.ts';

export interface TurnPorts {
  now(): number;
  /** What this user asks has to wait; said once in a while. */
  waits(userId: string): void;
  /** The answer to what waited failed. */
  failed(peer: Peer, error: unknown): void;
}

/** Answers everything of its kind that was asked so far, `asked` times; returns what that was worth, in bytes. */
type Answer = (asked: number) => number;

interface Waiting {
  readonly peer: Peer;
  answer: Answer;
  asked: number;
}

interface Account {
  /** Bytes that may be answered now; below zero after a large answer. */
  balance: number;
  at: number;
  /** When it was said that something waits. */
  saidAt: number;
  /** By socket and kind of question, in the order in which they came. */
  readonly waiting: Map<string, Waiting>;
}

/**
 * Questions are cheap to ask and dear to answer: a few bytes may call for a whole document. So each user has an account for all their
 * sockets, and what goes beyond it waits for its turn; of each kind a socket has one question waiting, the newest. [R12]
 */
export class Turns {
  readonly #ports: TurnPorts;
  readonly #accounts = new Map<string, Account>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(ports: TurnPorts) {
    this.#ports = ports;
  }

  /** Answers now, or when it is the user's turn. What `answer` throws now is for the caller. */
  ask(peer: Peer, kind: string, answer: Answer): void {
    const { userId } = peer.state.user;
    const account = this.#accountOf(userId);
    if (account.waiting.size === 0 && account.balance > 0) {
      this.#charge(account, answer(1));
      return;
    }
    if (account.at - account.saidAt >= limits.room.answers.said) {
      account.saidAt = account.at;
      this.#ports.waits(userId);
    }
    const key = `${peer.state.id} ${kind}`;
    const known = account.waiting.get(key);
    if (known) {
      known.answer = answer;
      known.asked += 1;
    } else account.waiting.set(key, { peer, answer, asked: 1 });
    this.#schedule();
  }

  /** A socket left: nobody waits for its answers. */
  forget(peer: Peer): void {
    const account = this.#accounts.get(peer.state.user.userId);
    if (!account) return;
    for (const [key, waiting] of account.waiting) if (waiting.peer === peer) account.waiting.delete(key);
  }

  #accountOf(userId: string): Account {
    const now = this.#ports.now();
    const { burst, perSecond } = limits.room.answers;
    let account = this.#accounts.get(userId);
    if (!account) {
      // Full again is as good as new.
      for (const [id, { balance, at, waiting }] of this.#accounts)
        if (waiting.size === 0 && balance + ((now - at) / 1000) * perSecond >= burst) this.#accounts.delete(id);
      account = { balance: burst, at: now, saidAt: Number.NEGATIVE_INFINITY, waiting: new Map() };
      this.#accounts.set(userId, account);
    }
    account.balance = Math.min(burst, account.balance + (Math.max(0, now - account.at) / 1000) * perSecond);
    account.at = now;
    return account;
  }

  #charge(account: Account, bytes: number): void {
    account.balance -= Math.max(bytes, limits.room.answers.least);
  }

  #schedule(): void {
    if (this.#timer !== null) return;
    const debts = [...this.#accounts.values()].filter(({ waiting }) => waiting.size > 0).map(({ balance }) => -balance);
    if (debts.length === 0) return;
    const wait = Math.max(1, Math.ceil(((Math.min(...debts) + 1) / limits.room.answers.perSecond) * 1000));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      for (const [userId, { waiting }] of [...this.#accounts]) if (waiting.size > 0) this.#answer(userId);
      this.#schedule();
    }, wait);
  }

  #answer(userId: string): void {
    const account = this.#accountOf(userId);
    for (const [key, { peer, answer, asked }] of account.waiting) {
      if (account.balance <= 0) return;
      account.waiting.delete(key);
      try {
        this.#charge(account, answer(asked));
      } catch (error) {
        this.#ports.failed(peer, error);
      }
    }
  }
}
