import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { eraseAccountRows } from '../../src/data/accounts.ts';
import { createApiKey, listApiKeys } from '../../src/data/api-keys.ts';
import type { Database } from '../../src/data/database.ts';
import { emailTokenOwner, expireEmailTokens, issueEmailToken, verifyEmail } from '../../src/data/email-tokens.ts';
import {
  claimAccount,
  createUserOf,
  identityOwner,
  joinAccount,
  linkIdentity,
  type ProvenIdentity,
  unlinkIdentity,
  waysIn,
} from '../../src/data/identities.ts';
import { createFlow, expireFlows, takeFlow } from '../../src/data/oauth-flows.ts';
import { promiseLink, resetPassword } from '../../src/data/recovery.ts';
import { emailTokens, oauthFlows, sessions } from '../../src/data/schema/sqlite.ts';
import { createSession } from '../../src/data/sessions.ts';
import { createUser, type UserRow, userById } from '../../src/data/users.ts';
import { by, now, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

const minute = 60_000;

async function accountOf(db: Database, id: string): Promise<UserRow> {
  const user = await userById(db, id);
  if (!user) throw new Error(`there is no user ${id}`);
  return user;
}

/** Somebody with a password, whose address nobody has proved. */
async function unproven(db: Database, name: string): Promise<UserRow> {
  const email = `${name}@kiln.test`;
  const { id } = await createUser(db, { email, username: name, displayName: name, passwordHash: 'hash', now });
  return await accountOf(db, id);
}

const identity = (email: string, provider: ProvenIdentity['provider'] = 'github'): ProvenIdentity => ({
  provider,
  subject: newId(),
  email,
  emailVerified: true,
});

const token = (userId: string, email: string, purpose: 'verify' | 'reset', hash: string) => ({
  hash,
  userId,
  purpose,
  email,
  now,
  ttl: minute,
});

const flow = (stateHash: string, userId: string | null = null) => ({
  stateHash,
  provider: 'github' as const,
  returnTo: '/',
  userId,
  sessionId: userId === null ? null : 'session',
  createdAt: now,
  expiresAt: now + minute,
});

const someKey = (userId: string) => ({
  userId,
  name: 'CI',
  hash: newId(),
  prefix: 'kiln_abc',
  scopes: ['projects:read' as const],
  projectId: null,
  expiresAt: null,
});

onBothEngines('Sign-ins at a provider', (store) => {
  it('are spent by one of 20 callbacks, of their provider, in their time', async () => {
    const db = store().open();
    await createFlow(db, flow('raced'));
    expect(await takeFlow(db, 'google', 'raced', now)).toBeUndefined();
    expect(await takeFlow(db, 'github', 'raced', now + minute)).toBeUndefined();
    const taken = await Promise.all(Array.from({ length: 20 }, () => takeFlow(store().open(), 'github', 'raced', now)));
    expect(taken.filter((one) => one !== undefined)).toEqual([flow('raced')]);
  });

  it('from which nobody came back are removed, and no others', async () => {
    const db = store().open();
    await createFlow(db, flow('left'));
    await createFlow(db, { ...flow('under way'), expiresAt: now + 3 * minute });
    expect(await expireFlows(db, now + 2 * minute)).toBe(1);
    expect(await takeFlow(db, 'github', 'under way', now + 2 * minute)).toBeDefined();
  });
});

onBothEngines('Links in mails', (store) => {
  it('verify once, in their time, and only the newest', async () => {
    const db = store().open();
    const { id, email } = await unproven(db, 'verifier');
    await issueEmailToken(db, token(id, email, 'verify', 'older'));
    await issueEmailToken(db, token(id, email, 'verify', 'newer'));
    expect(await emailTokenOwner(db, 'verify', 'older', now)).toBeUndefined();
    expect(await emailTokenOwner(db, 'reset', 'newer', now)).toBeUndefined();
    expect(await emailTokenOwner(db, 'verify', 'newer', now + minute)).toBeUndefined();
    expect(await emailTokenOwner(db, 'verify', 'newer', now)).toMatchObject({ userId: id, verified: false });
    const use = { hash: 'newer', userId: id, email };
    const uses = await Promise.all(Array.from({ length: 10 }, () => verifyEmail(store().open(), use, by(id))));
    expect(uses.filter(Boolean)).toHaveLength(1);
    expect((await accountOf(db, id)).emailVerifiedAt).toBe(now);
  });

  it('reset once; where the address was unproven, keys and providers of before open nothing', async () => {
    const db = store().open();
    const { id, email } = await unproven(db, 'resetter');
    const sessionId = await createSession(db, { userId: id, userAgent: 'test', tokenHash: 'resetter', now });
    await createApiKey(db, someKey(id), by(id));
    const planted = identity('attacker@kiln.test');
    expect(await linkIdentity(db, planted, { userId: id, sessionId }, by(id), newId())).toBe('linked');
    await issueEmailToken(db, token(id, email, 'reset', 'reset'));
    const use = { hash: 'reset', userId: id, email, verified: false, passwordHash: 'new', mail: newId() };
    expect(await resetPassword(db, { ...use, hash: 'unknown' }, by(id))).toBe(false);
    expect(await resetPassword(db, use, by(id))).toBe(true);
    expect(await resetPassword(db, { ...use, mail: newId() }, by(id))).toBe(false);
    expect(await accountOf(db, id)).toMatchObject({ passwordHash: 'new', emailVerifiedAt: now });
    expect(await identityOwner(db, planted)).toBeUndefined();
    expect(await listApiKeys(db, id, now)).toEqual([]);
    const rows = await db.query('test', (orm) => orm.select().from(sessions).where(eq(sessions.id, sessionId)));
    expect(rows).toMatchObject([{ revokedAt: now, endReason: 'password-reset' }]);
  });

  it('are promised to accounts alone, and removed after their end', async () => {
    const db = store().open();
    const { id, email } = await unproven(db, 'expirer');
    await promiseLink(db, 'reset', id, newId(), now);
    await promiseLink(db, 'reset', newId(), newId(), now);
    await issueEmailToken(db, token(id, email, 'reset', 'expirer'));
    expect(await expireEmailTokens(db, now + minute + 1)).toBeGreaterThan(0);
    expect(await emailTokenOwner(db, 'reset', 'expirer', now)).toBeUndefined();
  });
});

onBothEngines('Providers of an account', (store) => {
  it('make one account of 10 equal sign-ins at once', async () => {
    const proof = identity('fresh@kiln.test');
    const made = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) =>
        createUserOf(
          store().open(),
          proof,
          { email: 'fresh@kiln.test', username: `fresh${n}`, displayName: 'Fresh', now },
          'request',
        ),
      ),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await identityOwner(store().open(), proof)).toMatchObject({
      email: 'fresh@kiln.test',
      emailVerifiedAt: now,
    });
  });

  it('join where the address is verified, claim where it is not, and never the other way', async () => {
    const db = store().open();
    const victim = await unproven(db, 'victim');
    const proof = identity(victim.email);
    expect(await joinAccount(db, proof, victim, by(victim.id), newId())).toBe('overtaken');
    expect(await claimAccount(db, proof, victim, by(victim.id), newId())).toBe(true);
    expect(await accountOf(db, victim.id)).toMatchObject({ passwordHash: null, emailVerifiedAt: now });
    const second = identity(victim.email, 'google');
    expect(await claimAccount(db, second, victim, by(victim.id), newId())).toBe(false);
    expect(await joinAccount(db, second, victim, by(victim.id), newId())).toBe('linked');
    expect((await waysIn(db, victim.id)).identities).toHaveLength(2);
  });

  it('leave one at a time; of two that go at once the last way in stays', async () => {
    const db = store().open();
    const owner = await unproven(db, 'unlinker');
    const first = identity(owner.email);
    await claimAccount(db, first, owner, by(owner.id), newId());
    await joinAccount(db, identity(owner.email, 'google'), owner, by(owner.id), newId());
    const gone = await Promise.allSettled(
      (['github', 'google'] as const).map((provider) =>
        unlinkIdentity(store().open(), owner.id, provider, by(owner.id), newId()),
      ),
    );
    expect(gone.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(gone.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'last_way_in' } });
    expect((await waysIn(db, owner.id)).identities).toHaveLength(1);
  });
});

onBothEngines('Erasing an account', (store) => {
  it('takes its keys, providers, flows and links, and nothing of anybody else', async () => {
    const db = store().open();
    const people = [await someUser(db, 'eraser'), await someUser(db, 'stayer')] as const;
    const rowsOf = async (id: string) => ({
      keys: (await listApiKeys(db, id, now)).length,
      providers: (await waysIn(db, id)).identities.length,
      flows: (await db.query('test', (orm) => orm.select().from(oauthFlows).where(eq(oauthFlows.userId, id)))).length,
      links: (await db.query('test', (orm) => orm.select().from(emailTokens).where(eq(emailTokens.userId, id)))).length,
    });
    for (const id of people) {
      const user = await accountOf(db, id);
      await claimAccount(db, identity(user.email), user, by(id), newId());
      await createApiKey(db, someKey(id), by(id));
      await createFlow(db, flow(`flow of ${id}`, id));
      await issueEmailToken(db, token(id, user.email, 'reset', `link of ${id}`));
      expect(await rowsOf(id)).toEqual({ keys: 1, providers: 1, flows: 1, links: 1 });
    }
    const [gone, stays] = people;
    await eraseAccountRows(db, await accountOf(db, gone));
    expect(await userById(db, gone)).toBeUndefined();
    expect(await rowsOf(gone)).toEqual({ keys: 0, providers: 0, flows: 0, links: 0 });
    expect(await rowsOf(stays)).toEqual({ keys: 1, providers: 1, flows: 1, links: 1 });
  });
});
