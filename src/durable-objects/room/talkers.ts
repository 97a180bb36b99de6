import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import type { Author } from '../../contract/talk.ts';
import { advance, standing } from '../../core/rate.ts';
import type { Members } from './members.ts';

/** Who says something, and to whom: by the word of the database, not faster than people write. [R7, R23] */
export class Talkers {
  readonly #members: Members;
  readonly #now: () => number;
  /** When everything that a user has said is forgiven. */
  readonly #states = new Map<string, number>();

  constructor(members: Members, now: () => number) {
    this.#members = members;
    this.#now = now;
  }

  /** Throws `rate_limited`. */
  pace(userId: string): void {
    const [now, before] = [this.#now(), this.#states.get(userId) ?? 0];
    const after = advance(before, limits.talk.pace, 1, now);
    if (!standing(after, limits.talk.pace, now).ok)
      throw new KilnError('rate_limited', {
        detail: 'You say too much in too short a time.',
        retryAfter: standing(before, limits.talk.pace, now).retryAfter,
      });
    for (const [one, state] of this.#states) if (state <= now) this.#states.delete(one);
    this.#states.set(userId, after);
  }

  /** The names of a writer and of the members who are mentioned. Throws `validation_failed` for others. */
  async names(userId: string, mentions: readonly string[]): Promise<{ author: Author; mentions: Author[] }> {
    const members = await this.#members.people();
    const author = members.get(userId);
    if (!author) throw new KilnError('forbidden');
    return { author, mentions: this.#mentioned(members, mentions) };
  }

  /** As `names`, for somebody whose name a ticket has proved. */
  async mentions(mentions: readonly string[]): Promise<Author[]> {
    return mentions.length === 0 ? [] : this.#mentioned(await this.#members.people(), mentions);
  }

  #mentioned(members: ReadonlyMap<string, Author>, ids: readonly string[]): Author[] {
    return [...new Set(ids)].map((id) => {
      const member = members.get(id);
      if (!member)
        throw new KilnError('validation_failed', {
          issues: [{ path: 'body.mentions', message: `${id} is no member of this project` }],
        });
      return member;
    });
  }
}
