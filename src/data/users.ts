import { and, eq, isNull, type SQL } from 'drizzle-orm';
import { KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import type { User } from '../contract/users.ts';
import { has } from './conditional.ts';
import type { Database, Orm } from './database.ts';
import { UniqueViolation } from './engines/engine.ts';
import { users } from './schema/sqlite.ts';
import { iso } from './time.ts';

type Row = typeof users.$inferSelect;

/** The user as the API shows it to themself. */
export const toUser = (row: Row): User => ({
  id: row.id,
  email: row.email,
  username: row.username,
  displayName: row.displayName,
  avatarUrl: row.avatarUrl,
  emailVerified: row.emailVerifiedAt !== null,
  createdAt: iso(row.createdAt),
});

function refuseTaken(error: unknown): never {
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

/** Throws `email_taken` or `username_taken`. */
export async function createUser(db: Database, user: NewUser): Promise<User> {
  const { now, ...fields } = user;
  const row: Row = {
    ...fields,
    id: newId(),
    usernameFold: user.username.toLowerCase(),
    avatarUrl: null,
    emailVerifiedAt: null,
    disabledAt: null,
    deletedAt: null,
    createdAt: now,
    updatedAt: now,
  };
  await db.query('users.create', (orm) => orm.insert(users).values(row)).catch(refuseTaken);
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

/** Holds a user's row until the batch ends: what is counted for one user stays counted. */
export const takeUser = (orm: Orm, id: string) => orm.update(users).set({ id }).where(eq(users.id, id));

export async function userById(db: Database, id: string): Promise<Row | undefined> {
  return (
    await db.query('users.byId', (orm) =>
      orm
        .select()
        .from(users)
        .where(and(eq(users.id, id), inUse)),
    )
  )[0];
}

export async function userByEmail(db: Database, email: string): Promise<Row | undefined> {
  return (
    await db.query('users.byEmail', (orm) =>
      orm
        .select()
        .from(users)
        .where(and(eq(users.email, email), inUse)),
    )
  )[0];
}

export async function userByUsername(db: Database, username: string): Promise<Row | undefined> {
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
