import { and, eq, isNull, type SQL } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import type { User } from '../contract/users.ts';
import type { MailOrder } from '../core/mail.ts';
import { has } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { UniqueViolation } from './engines/engine.ts';
import { outboxRow } from './outbox.ts';
import { outbox, users } from './schema/sqlite.ts';
import { iso } from './time.ts';

export type UserRow = typeof users.$inferSelect;

/** The user as the API shows it to themself. */
export const toUser = (row: UserRow): User => ({
  id: row.id,
  email: row.email,
  username: row.username,
  displayName: row.displayName,
  avatarUrl: row.avatarUrl,
  emailVerified: row.emailVerifiedAt !== null,
  createdAt: iso(row.createdAt),
});

export const newUserRow = ({ now, ...fields }: NewUser): UserRow => ({
  ...fields,
  id: newId(),
  usernameFold: fields.username.toLowerCase(),
  avatarUrl: null,
  emailVerifiedAt: null,
  disabledAt: null,
  deletedAt: null,
  createdAt: now,
  updatedAt: now,
});

export function refuseTaken(error: unknown): never {
  if (error instanceof UniqueViolation)
    throw new KilnError(error.columns.some((column) => column.endsWith('.email')) ? 'email_taken' : 'username_taken');
  throw error;
}

export interface NewUser {
  readonly email: string;
  readonly username: string;
  readonly displayName: string;
  readonly passwordHash: string | null;
  readonly now: number;
}

/** Makes the account, and promises its mail of verification by the id `mail`. Throws `email_taken` or `username_taken`. */
export async function createUser(db: Database, user: NewUser, mail = newId()): Promise<User> {
  const { now } = user;
  const row = newUserRow(user);
  const order: MailOrder = { kind: 'verify', userId: row.id };
  await db
    .batch('users.create', (orm) => [
      orm.insert(users).values(row),
      orm.insert(outbox).values(outboxRow('mail', order, now, mail)),
    ])
    .catch(refuseTaken);
  return toUser(row);
}

/** Columns of what others see of a user: a `Person`. */
export const person = {
  userId: users.id,
  username: users.username,
  displayName: users.displayName,
  avatarUrl: users.avatarUrl,
};

/** That an account is neither disabled nor on its way out. */
export const inUse = and(isNull(users.deletedAt), isNull(users.disabledAt));

/** That there is such an account and it is in use, for `decide`. */
export const isLive = (orm: Orm, id: string): SQL => has(orm, users, and(eq(users.id, id), inUse));

/** That nobody has proved yet that the account's address is theirs. */
export const isUnverified = (orm: Orm, id: string): SQL =>
  has(orm, users, and(eq(users.id, id), isNull(users.emailVerifiedAt)));

/** Holds a user's row until the batch ends: what is counted for one user stays counted. */
export const takeUser = (orm: Orm, id: string) => orm.update(users).set({ id }).where(eq(users.id, id));

export async function userById(db: Database, id: string): Promise<UserRow | undefined> {
  return (
    await db.query('users.byId', (orm) =>
      orm
        .select()
        .from(users)
        .where(and(eq(users.id, id), inUse)),
    )
  )[0];
}

export async function userByEmail(db: Database, email: string): Promise<UserRow | undefined> {
  return (
    await db.query('users.byEmail', (orm) =>
      orm
        .select()
        .from(users)
        .where(and(eq(users.email, email), inUse)),
    )
  )[0];
}

export async function userByUsername(db: Database, username: string): Promise<UserRow | undefined> {
  return (
    await db.query('users.byUsername', (orm) =>
      orm
        .select()
        .from(users)
        .where(and(eq(users.usernameFold, username.toLowerCase()), inUse)),
    )
  )[0];
}

/** Throws `username_taken`; undefined for an unknown user. */
export async function updateProfile(
  db: Database,
  id: string,
  change: { displayName?: string | undefined; username?: string | undefined },
  now: number,
): Promise<User | undefined> {
  const rows = await db
    .query('users.updateProfile', (orm) =>
      orm
        .update(users)
        .set({
          ...(change.displayName !== undefined && { displayName: change.displayName }),
          ...(change.username !== undefined && {
            username: change.username,
            usernameFold: change.username.toLowerCase(),
          }),
          updatedAt: now,
        })
        .where(and(eq(users.id, id), inUse))
        .returning(),
    )
    .catch(refuseTaken);
  return rows[0] && toUser(rows[0]);
}
