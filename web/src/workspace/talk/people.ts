import { colorOf } from '../../../../src/contract/color.ts';
import type { Presence } from '../../../../src/contract/room.ts';
import type { Author } from '../../../../src/contract/talk.ts';

/** The colour that somebody has in the room, whether they are here or not. */
export const colorOfAuthor = ({ userId }: Author, users: readonly Presence[]): string =>
  userId === null ? 'var(--faint)' : (users.find((user) => user.userId === userId)?.color ?? colorOf(userId));
