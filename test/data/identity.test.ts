import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import type { Database } from '../../src/data/database.ts';
import { refreshTokens, sessions } from '../../src/data/schema/sqlite.ts';
import {
  createSession,
  expireSessions,
  revokeSession,
  rotateRefreshToken,
  sessionOfToken,
} from '../../src/data/sessions.ts';
import { createUser, updateProfile, userByEmail, userById, userByUsername } from '../../src/data/users.ts';
import { now, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

onBothEngines('Users', (store) => {
  const person = (email: string, username: string) => ({
    email,
    username,
    displayName: 'Somebody',
    passwordHash: 'hash',
    now,
  });

  it('are found by id, email and user name in any case', async () => {
    const db = store().open();
    const user = await createUser(db, person('find@kiln.test', 'FindMe'));
    expect(await userById(db, user.id)).toMatchObject({
      email: 'find@kiln.test',
      passwordHash: 'hash',
      createdAt: now,
    });
    expect((await userByEmail(db, 'find@kiln.test'))?.id).toBe(user.id);
    expect((await userByUsername(db, 'fINDmE'))?.id).toBe(user.id);
    expect(await userByEmail(db, 'nobody@kiln.test')).toBeUndefined();
  });

  it('say which of email and user name is taken, names in any case', async () => {
    const db = store().open();
    await createUser(db, person('taken@kiln.test', 'Taken'));
    await expect(createUser(db, person('taken@kiln.test', 'other'))).rejects.toMatchObject({ code: 'email_taken' });
    await expect(createUser(db, person('other@kiln.test', 'tAKEN'))).rejects.toMatchObject({ code: 'username_taken' });
    const other = await createUser(db, person('third@kiln.test', 'third'));
    await expect(updateProfile(db, other.id, { username: 'TAKEN' }, now)).rejects.toMatchObject({
      code: 'username_taken',
    });
  });

  it('of 20 sign-ups with one email at once, exactly one is made', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => createUser(store().open(), person('race@kiln.test', `racer${n}`))),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'email_taken' });
  });

  it('keep text in any script as it is, and refuse a zero byte before an engine sees it', async () => {
    const db = store().open();
    const displayName = `Ω 界 é 👩‍👩‍👧 '";-- \\ % _ ?`;
    const user = await createUser(db, { ...person('script@kiln.test', 'script'), displayName });
    expect((await userById(db, user.id))?.displayName).toBe(displayName);
    await expect(updateProfile(db, user.id, { displayName: 'a\0b' }, now)).rejects.toMatchObject({
      code: 'validation_failed',
    });
  });

  it('change only what is given, and nothing of an unknown user', async () => {
    const db = store().open();
    const user = await createUser(db, person('change@kiln.test', 'change'));
    expect(await updateProfile(db, user.id, { displayName: 'New' }, now + 1)).toMatchObject({
      displayName: 'New',
      username: 'change',
    });
    expect(await updateProfile(db, 'nobody', { displayName: 'New' }, now)).toBeUndefined();
  });
});

onBothEngines('Sessions', (store) => {
  const rowsOf = async (db: Database, sessionId: string) =>
    await db.query('test', (orm) => orm.select().from(refreshTokens).where(eq(refreshTokens.sessionId, sessionId)));
  const sessionRow = async (db: Database, id: string) =>
    (await db.query('test', (orm) => orm.select().from(sessions).where(eq(sessions.id, id))))[0];

  it('of 20 uses of one refresh token at once, exactly one wins and the session lives', async () => {
    const db = store().open();
    const userId = await someUser(db);
    for (let round = 0; round < 3; round += 1) {
      const hash = `race-${round}`;
      const now = Date.now();
      const id = await createSession(db, { userId, userAgent: 'test', tokenHash: hash, now });
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          rotateRefreshToken(store().open(), { hash, successor: `${hash}-${n}`, requestStarted: now, now }),
        ),
      );
      expect(results.filter(({ outcome }) => outcome === 'rotated')).toHaveLength(1);
      expect(results.filter(({ outcome }) => outcome === 'invalid')).toHaveLength(19);
      expect(await rowsOf(db, id)).toHaveLength(2);
      expect((await sessionRow(db, id))?.revokedAt).toBeNull();
    }
  });

  it('end when a used token comes again later: the whole family, with the reason', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const id = await createSession(db, { userId, userAgent: 'test', tokenHash: 'first', now });
    const use = { hash: 'first', successor: 'second', requestStarted: Date.now(), now: now + 1 };
    expect(await rotateRefreshToken(db, use)).toEqual({ outcome: 'rotated', sessionId: id, userId });
    const later = { ...use, successor: 'stolen', requestStarted: Date.now() + 60_000 };
    expect(await rotateRefreshToken(db, later)).toEqual({ outcome: 'reused', sessionId: id, userId });
    expect(await sessionRow(db, id)).toMatchObject({ revokedAt: now + 1, endReason: 'token-reused' });
    expect(await rotateRefreshToken(db, { ...use, hash: 'second', successor: 'third' })).toEqual({
      outcome: 'invalid',
    });
  });

  it('do not rotate what is unknown, expired or revoked; the first reason for an end stays', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const id = await createSession(db, { userId, userAgent: 'test', tokenHash: 'plain', now });
    const use = { hash: 'plain', successor: 'next', requestStarted: now, now };
    expect(await rotateRefreshToken(db, { ...use, hash: 'unknown' })).toEqual({ outcome: 'invalid' });
    const expired = now + limits.auth.sessionTtl + 1;
    expect(await rotateRefreshToken(db, { ...use, now: expired })).toEqual({ outcome: 'invalid' });
    await revokeSession(db, id, now + 5, 'signed-out');
    await revokeSession(db, id, now + 9, 'token-reused');
    expect(await sessionRow(db, id)).toMatchObject({ revokedAt: now + 5, endReason: 'signed-out' });
    expect(await rotateRefreshToken(db, use)).toEqual({ outcome: 'invalid' });
    expect(await sessionOfToken(db, 'plain')).toEqual({ id, userId });
  });

  it('and their tokens are removed after their end, a bounded number at a time, and no others', async () => {
    const db = store().open();
    const userId = await someUser(db);
    const old = now - limits.auth.sessionTtl * 2;
    for (let n = 0; n < 5; n += 1)
      await createSession(db, { userId, userAgent: 'old', tokenHash: `old-${n}`, now: old + n });
    const living = await createSession(db, { userId, userAgent: 'test', tokenHash: 'living', now });
    expect(await expireSessions(db, now, 3)).toBe(6);
    expect(await sessionOfToken(db, 'old-0')).toBeUndefined();
    expect(await sessionOfToken(db, 'old-4')).toBeDefined();
    expect(await expireSessions(db, now, 100)).toBe(4);
    expect(await expireSessions(db, now, 100)).toBe(0);
    expect(await sessionOfToken(db, 'living')).toEqual({ id: living, userId });
  });
});
