import type { Presence } from '../../../../src/contract/room.ts';
import type { Author } from '../../../../src/contract/talk.ts';
import { colorOf } from '../../../../src/core/color.ts';

/** The colour that somebody has in the room, whether they are here or not. */
export const colorOfAuthor = ({ userId }: Author, users: readonly Presence[]): string =>
  userId === null ? 'var(--faint)' : (users.find((user) => user.userId === userId)?.color ?? colorOf(userId));
