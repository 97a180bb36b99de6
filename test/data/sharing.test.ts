import { and, asc, eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { ActivityQuery } from '../../src/contract/sharing.ts';
import { worthOf } from '../../src/core/invites.ts';
import { listActivity } from '../../src/data/activity.ts';
import {
  addCollaborator,
  listCollaborators,
  removeCollaborator,
  setRole,
  transferProject,
} from '../../src/data/collaborators.ts';
import type { Database } from '../../src/data/database.ts';
import {
  acceptInvite,
  createInvite,
  expireInvites,
  type InviteRow,
  inviteFacts,
  listInvites,
  withdrawInvite,
} from '../../src/data/invites.ts';
import { createProject, restoreProject, startErasing, trashProject, updateProject } from '../../src/data/projects.ts';
import { auditLog, collaborators, inviteExclusions, invites, projects } from '../../src/data/schema/sqlite.ts';
import { usageOf } from '../../src/data/usage.ts';
import { newProject } from '../support/new-project.ts';
import { by, now, someBuild, someProject, someUser } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

const codes = (results: readonly PromiseSettledResult<unknown>[]): string[] =>
  results.map((result) =>
    result.status === 'fulfilled' ? 'done' : String((result.reason as { code?: string }).code ?? result.reason),
  );

const membersOf = async (db: Database, projectId: string): Promise<string[]> =>
  (await listCollaborators(db, projectId)).map(({ userId, role }) => `${role} ${userId}`);

/** What the audit log says was done in a project, oldest first. */
const history = async (db: Database, projectId: string, action?: string): Promise<string[]> =>
  (
    await db.query('test', (orm) =>
      orm
        .select({ action: auditLog.action })
        .from(auditLog)
        .where(and(eq(auditLog.projectId, projectId), action === undefined ? undefined : eq(auditLog.action, action)))
        .orderBy(asc(auditLog.id)),
    )
  ).map((row) => row.action);

const usesOf = async (db: Database, id: string): Promise<number | undefined> =>
  (await db.query('test', (orm) => orm.select({ uses: invites.uses }).from(invites).where(eq(invites.id, id))))[0]
    ?.uses;

const people = async (db: Database, count: number): Promise<string[]> => {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await someUser(db));
  return ids;
};

const reader = (id: string, email = `${id}@kiln.test`) => ({ id, email, emailVerified: true });

interface Shared {
  readonly projectId: string;
  readonly owner: string;
}

const shared = async (db: Database): Promise<Shared> => {
  const owner = await someUser(db);
  return { owner, projectId: await someProject(db, owner) };
};

const invite = (
  db: Database,
  { projectId, owner }: Shared,
  more: Partial<Parameters<typeof createInvite>[1]> = {},
): Promise<InviteRow> =>
  createInvite(
    db,
    { projectId, hash: newId(), role: 'editor', email: null, maxUses: 5, expiresAt: now + 60_000, ...more },
    by(owner),
  );

onBothEngines('An invite', (store) => {
  it('of five uses lets five of twenty in who come at once, and each use is in the audit log', async () => {
    const db = store().open();
    const place = await shared(db);
    const link = await invite(db, place);
    const came = await people(db, 20);
    const accepted = await Promise.all(
      came.map((id) => acceptInvite(store().open(), link, reader(id), { actorId: id, now })),
    );
    expect(accepted.filter(Boolean)).toHaveLength(5);
    expect(await usesOf(db, link.id)).toBe(5);
    expect((await membersOf(db, place.projectId)).slice(1).sort()).toEqual(
      came
        .filter((_, n) => accepted[n])
        .map((id) => `editor ${id}`)
        .sort(),
    );
    expect(await history(db, place.projectId, 'invite.accepted')).toHaveLength(5);
    expect(await listInvites(db, place.projectId, now)).toEqual([]);
  });

  it('accepted twenty times at once by one person is spent once', async () => {
    const db = store().open();
    const place = await shared(db);
    const link = await invite(db, place);
    const id = await someUser(db);
    const accepted = await Promise.all(
      Array.from({ length: 20 }, () => acceptInvite(store().open(), link, reader(id), by(id))),
    );
    expect(accepted.filter(Boolean)).toHaveLength(1);
    expect(await usesOf(db, link.id)).toBe(1);
    expect(await membersOf(db, place.projectId)).toEqual([`owner ${place.owner}`, `editor ${id}`]);
  });

  it('lets nobody in beyond the number of members, whether they are invited or added at that moment', async () => {
    const db = store().open();
    const place = await shared(db);
    const free = 3;
    const fillers = Array.from({ length: limits.project.collaboratorsMax - free }, (_, n) => ({
      projectId: place.projectId,
      userId: `filler-${n}`,
      role: 'viewer' as const,
      addedBy: place.owner,
      createdAt: now,
    }));
    // D1 binds at most 100 values.
    for (let at = 0; at < fillers.length; at += 20)
      await db.query('test', (orm) => orm.insert(collaborators).values(fillers.slice(at, at + 20)));
    const link = await invite(db, place, { maxUses: 50 });
    const came = await people(db, 10);
    const results = await Promise.allSettled(
      came.map(async (id, n) => {
        if (n % 2) return await acceptInvite(store().open(), link, reader(id), by(id));
        await addCollaborator(
          store().open(),
          { projectId: place.projectId, userId: id, role: 'viewer' },
          by(place.owner),
        );
        return true;
      }),
    );
    const inside = results.filter((result) => result.status === 'fulfilled' && result.value);
    expect(inside).toHaveLength(free);
    const rows = await db.query('test', (orm) =>
      orm.select().from(collaborators).where(eq(collaborators.projectId, place.projectId)),
    );
    expect(rows).toHaveLength(limits.project.collaboratorsMax);
    const entries = [
      ...(await history(db, place.projectId, 'invite.accepted')),
      ...(await history(db, place.projectId, 'member.added')),
    ];
    expect(entries).toHaveLength(free);
    expect(await usesOf(db, link.id)).toBe((await history(db, place.projectId, 'invite.accepted')).length);
  });

  it('gives a viewer the role of an editor once, and an editor nothing less', async () => {
    const db = store().open();
    const place = await shared(db);
    const [member = '', outsider = ''] = await people(db, 2);
    await addCollaborator(db, { projectId: place.projectId, userId: member, role: 'viewer' }, by(place.owner));
    const [more, less] = [await invite(db, place), await invite(db, place, { role: 'viewer' })];
    expect(await acceptInvite(db, more, reader(member), by(member))).toBe(true);
    expect(await acceptInvite(db, more, reader(member), by(member))).toBe(false);
    expect(await acceptInvite(db, less, reader(member), by(member))).toBe(false);
    expect(await acceptInvite(db, less, reader(place.owner), by(place.owner))).toBe(false);
    expect([await usesOf(db, more.id), await usesOf(db, less.id)]).toEqual([1, 0]);
    expect(await membersOf(db, place.projectId)).toEqual([`owner ${place.owner}`, `editor ${member}`]);
    expect(await acceptInvite(db, less, reader(outsider), by(outsider))).toBe(true);
  });

  it('addressed to somebody is theirs alone, and expired, spent or withdrawn it is nobody’s', async () => {
    const db = store().open();
    const place = await shared(db);
    const [ada = '', grace = '', late = ''] = await people(db, 3);
    const addressed = await invite(db, place, { email: 'ada@kiln.test', maxUses: 1 });
    expect(await acceptInvite(db, addressed, reader(grace), by(grace))).toBe(false);
    expect(await acceptInvite(db, addressed, reader(ada, 'ada@kiln.test'), by(ada))).toBe(true);
    await removeCollaborator(db, { projectId: place.projectId, userId: ada }, by(ada));
    expect(await acceptInvite(db, addressed, reader(ada, 'ada@kiln.test'), by(ada))).toBe(false);
    const brief = await invite(db, place, { expiresAt: now + 1 });
    expect(await acceptInvite(db, brief, reader(late), { actorId: late, now: now + 1 })).toBe(false);
    const gone = await invite(db, place);
    expect(await withdrawInvite(db, place.projectId, gone.id, by(place.owner))).toBe(true);
    expect(await withdrawInvite(db, place.projectId, gone.id, by(place.owner))).toBe(false);
    expect(await withdrawInvite(db, (await shared(db)).projectId, brief.id, by(place.owner))).toBe(false);
    expect(await acceptInvite(db, gone, reader(late), by(late))).toBe(false);
    expect(await membersOf(db, place.projectId)).toEqual([`owner ${place.owner}`]);
  });

  it('withdrawn while it is accepted lets in whom it let in before, and each of them is accounted for', async () => {
    const db = store().open();
    for (let round = 0; round < 5; round += 1) {
      const place = await shared(db);
      const link = await invite(db, place, { maxUses: 50 });
      const came = await people(db, 4);
      const accept = (id: string) => acceptInvite(store().open(), link, reader(id), by(id));
      const [first, second, , third] = await Promise.all([
        accept(came[0] ?? ''),
        accept(came[1] ?? ''),
        withdrawInvite(store().open(), place.projectId, link.id, by(place.owner)),
        accept(came[2] ?? ''),
      ]);
      const inside = [first, second, third].filter(Boolean).length;
      expect(await usesOf(db, link.id)).toBe(inside);
      expect(await membersOf(db, place.projectId)).toHaveLength(inside + 1);
      expect(await accept(came[3] ?? '')).toBe(false);
    }
  });

  it('is no way back for who was removed, nor up for whose role was lowered; who left may return', async () => {
    const db = store().open();
    const place = await shared(db);
    const { projectId, owner } = place;
    const [removed = '', lowered = '', left = ''] = await people(db, 3);
    const link = await invite(db, place, { maxUses: 50 });
    for (const userId of [removed, lowered, left])
      expect(await acceptInvite(db, link, reader(userId), by(userId))).toBe(true);
    await removeCollaborator(db, { projectId, userId: removed }, by(owner));
    await setRole(db, { projectId, userId: lowered, role: 'viewer' }, by(owner));
    await removeCollaborator(db, { projectId, userId: left }, by(left));
    expect(await acceptInvite(db, link, reader(removed), by(removed))).toBe(false);
    expect(await acceptInvite(db, link, reader(lowered), by(lowered))).toBe(false);
    expect(await acceptInvite(db, link, reader(left), by(left))).toBe(true);
    expect((await membersOf(db, projectId)).slice(1).sort()).toEqual([`editor ${left}`, `viewer ${lowered}`].sort());
    // The owner may think better of it: what is made afterwards works.
    const again = await invite(db, place);
    for (const userId of [removed, lowered])
      expect(await acceptInvite(db, again, reader(userId), by(userId))).toBe(true);
  });

  it('dies with the ownership of who made it, for good, and with the project in the trash', async () => {
    const db = store().open();
    const place = await shared(db);
    const { projectId, owner } = place;
    const [heir = '', guest = ''] = await people(db, 2);
    await addCollaborator(db, { projectId, userId: heir, role: 'editor' }, by(owner));
    const link = await invite(db, place);
    await transferProject(db, { projectId, from: owner, to: heir }, by(owner));
    expect(await acceptInvite(db, link, reader(guest), by(guest))).toBe(false);
    expect(await listInvites(db, projectId, now)).toEqual([]);
    await transferProject(db, { projectId, from: heir, to: owner }, by(heir));
    expect(await acceptInvite(db, link, reader(guest), by(guest))).toBe(false);
    const trashed = await invite(db, place);
    await trashProject(db, projectId, by(owner));
    expect(await acceptInvite(db, trashed, reader(guest), by(guest))).toBe(false);
    await restoreProject(db, projectId, by(owner));
    expect(await acceptInvite(db, trashed, reader(guest), by(guest))).toBe(false);
    expect(await membersOf(db, projectId)).toEqual([`owner ${owner}`, `editor ${heir}`]);
  });

  it('and the judgement made before it is used are of one mind', async () => {
    const db = store().open();
    const place = await shared(db);
    const { projectId, owner } = place;
    const [outsider = '', viewer = '', editor = '', removed = ''] = await people(db, 4);
    await addCollaborator(db, { projectId, userId: viewer, role: 'viewer' }, by(owner));
    await addCollaborator(db, { projectId, userId: editor, role: 'editor' }, by(owner));
    await addCollaborator(db, { projectId, userId: removed, role: 'viewer' }, by(owner));
    const made = [
      await invite(db, place),
      await invite(db, place, { role: 'viewer' }),
      await invite(db, place, { email: 'somebody@kiln.test', maxUses: 1 }),
      await invite(db, place, { email: `${outsider}@kiln.test`, maxUses: 1 }),
      await invite(db, place, { maxUses: 1 }),
      await invite(db, place, { expiresAt: now + 1 }),
      await invite(db, place),
    ];
    const spent = await someUser(db);
    await acceptInvite(db, made[4] as InviteRow, reader(spent), by(spent));
    await withdrawInvite(db, projectId, made[6]?.id ?? '', by(owner));
    await removeCollaborator(db, { projectId, userId: removed }, by(owner));
    const later = now + 5;
    for (const { hash } of made)
      for (const userId of [outsider, removed, viewer, editor, owner]) {
        const facts = await inviteFacts(db, hash, userId);
        if (!facts) throw new Error('no such invite');
        const worth = worthOf(facts, reader(userId), later);
        const accepted = await acceptInvite(db, facts.invite, reader(userId), { actorId: userId, now: later });
        expect(accepted, worth).toBe(worth === 'open');
      }
    expect(await inviteFacts(db, 'never made', outsider)).toBeUndefined();
  });

  it('is one of at most a hundred open ones, also when they are made at once', async () => {
    const db = store().open();
    const place = await shared(db);
    for (let n = 0; n < limits.invite.openMax - 2; n += 1) await invite(db, place);
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => invite(store().open(), place)));
    expect(codes(results).sort()).toEqual([
      'done',
      'done',
      'quota_exceeded',
      'quota_exceeded',
      'quota_exceeded',
      'quota_exceeded',
    ]);
    expect(await listInvites(db, place.projectId, now)).toHaveLength(limits.invite.openMax);
    await expect(invite(db, { ...place, owner: await someUser(db) })).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('is removed when it has ended, with who was excluded from it; others stay', async () => {
    const db = store().open();
    const place = await shared(db);
    const guest = await someUser(db);
    const [ended, standing] = [
      await invite(db, place, { expiresAt: now + 10 }),
      await invite(db, place, { expiresAt: now + 1000 }),
    ];
    await addCollaborator(db, { projectId: place.projectId, userId: guest, role: 'viewer' }, by(place.owner));
    await removeCollaborator(db, { projectId: place.projectId, userId: guest }, by(place.owner));
    const excluded = async (id: string) =>
      await db.query('test', (orm) => orm.select().from(inviteExclusions).where(eq(inviteExclusions.inviteId, id)));
    expect(await excluded(ended.id)).toHaveLength(1);
    expect(await expireInvites(db, now + 11, 1000)).toBeGreaterThan(0);
    expect(await usesOf(db, ended.id)).toBeUndefined();
    expect(await usesOf(db, standing.id)).toBe(0);
    expect([await excluded(ended.id), (await excluded(standing.id)).length]).toEqual([[], 1]);
  });
});

onBothEngines('A transfer', (store) => {
  const threesome = async (db: Database) => {
    const place = await shared(db);
    const [ada = '', grace = ''] = await people(db, 2);
    for (const userId of [ada, grace])
      await addCollaborator(db, { projectId: place.projectId, userId, role: 'viewer' }, by(place.owner));
    return { ...place, ada, grace };
  };

  it('makes a member the owner and the owner an editor; outsiders, former owners and the trash are refused', async () => {
    const db = store().open();
    const { projectId, owner, ada, grace } = await threesome(db);
    const moved = await transferProject(db, { projectId, from: owner, to: ada }, by(owner));
    expect(moved).toMatchObject({ ownerId: ada, revision: 2 });
    expect((await membersOf(db, projectId)).sort()).toEqual(
      [`owner ${ada}`, `editor ${owner}`, `viewer ${grace}`].sort(),
    );
    const attempt = (from: string, to: string) => transferProject(db, { projectId, from, to }, by(from));
    await expect(attempt(owner, grace)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(attempt(ada, await someUser(db))).rejects.toMatchObject({ code: 'not_found' });
    await expect(attempt(ada, 'nobody')).rejects.toMatchObject({ code: 'not_found' });
    await trashProject(db, projectId, by(ada));
    await expect(attempt(ada, grace)).rejects.toMatchObject({ code: 'conflict' });
    expect(await history(db, projectId, 'project.transferred')).toHaveLength(1);
  });

  it('to two people at once is won by one, and nobody gets lost', async () => {
    const db = store().open();
    for (let round = 0; round < 5; round += 1) {
      const { projectId, owner, ada, grace } = await threesome(db);
      const results = await Promise.allSettled(
        [ada, grace, ada, grace].map((to) =>
          transferProject(store().open(), { projectId, from: owner, to }, by(owner)),
        ),
      );
      expect(codes(results).sort()).toEqual(['done', 'forbidden', 'forbidden', 'forbidden']);
      const members = await membersOf(db, projectId);
      expect(members.filter((one) => one.startsWith('owner'))).toHaveLength(1);
      expect(members.map((one) => one.split(' ')[1]).sort()).toEqual([owner, ada, grace].sort());
      expect(members).toContain(`editor ${owner}`);
      expect(await history(db, projectId, 'project.transferred')).toHaveLength(1);
    }
  });

  it('to somebody who leaves at that moment ends with one owner, who is there', async () => {
    const db = store().open();
    for (let round = 0; round < 8; round += 1) {
      const { projectId, owner, ada, grace } = await threesome(db);
      const work = [
        () => transferProject(store().open(), { projectId, from: owner, to: ada }, by(owner)),
        () => removeCollaborator(store().open(), { projectId, userId: ada }, by(ada)),
      ];
      if (round % 2) work.reverse();
      const results = codes(await Promise.allSettled(work.map((run) => run())));
      if (round % 2) results.reverse();
      const members = await membersOf(db, projectId);
      if (results[0] === 'done') {
        expect(results[1]).toBe('owner_required');
        expect(members.sort()).toEqual([`owner ${ada}`, `editor ${owner}`, `viewer ${grace}`].sort());
      } else {
        expect(results).toEqual(['not_found', 'done']);
        expect(members.sort()).toEqual([`owner ${owner}`, `viewer ${grace}`].sort());
      }
    }
  });

  it('while two members leave and the owner removes one ends with whom it should', async () => {
    const db = store().open();
    for (let round = 0; round < 5; round += 1) {
      const { projectId, owner, ada, grace } = await threesome(db);
      const results = codes(
        await Promise.allSettled([
          removeCollaborator(store().open(), { projectId, userId: ada }, by(ada)),
          removeCollaborator(store().open(), { projectId, userId: grace }, by(grace)),
          removeCollaborator(store().open(), { projectId, userId: owner }, by(owner)),
          removeCollaborator(store().open(), { projectId, userId: ada }, by(owner)),
        ]),
      );
      expect(results[2]).toBe('owner_required');
      expect(await membersOf(db, projectId)).toEqual([`owner ${owner}`]);
      expect(await history(db, projectId, 'member.removed')).toHaveLength(2);
    }
  });

  it('takes the former owner every right, also for what was on its way', async () => {
    const db = store().open();
    const { projectId, owner, ada, grace } = await threesome(db);
    await transferProject(db, { projectId, from: owner, to: ada }, by(owner));
    const late = [
      () => addCollaborator(db, { projectId, userId: 'x', role: 'editor' }, by(owner)),
      () => setRole(db, { projectId, userId: grace, role: 'editor' }, by(owner)),
      () => removeCollaborator(db, { projectId, userId: grace }, by(owner)),
      () => invite(db, { projectId, owner }),
    ];
    for (const run of late) await expect(run()).rejects.toMatchObject({ code: 'forbidden' });
    expect(await updateProject(db, projectId, { name: 'Mine' }, null, by(owner))).toBeUndefined();
    expect(await trashProject(db, projectId, by(owner))).toBe(false);
    expect(await startErasing(db, projectId, by(owner))).toBe(false);
    expect((await membersOf(db, projectId)).sort()).toEqual(
      [`owner ${ada}`, `editor ${owner}`, `viewer ${grace}`].sort(),
    );
    expect((await history(db, projectId)).at(-1)).toBe('project.transferred');
  });
});

onBothEngines('#49 the number of projects', (store) => {
  /** An owner who may have `free` more. */
  const crowded = async (db: Database, free: number): Promise<string> => {
    const owner = await someUser(db);
    for (let n = 0; n < limits.project.perUser - free; n += 1) await someProject(db, owner);
    return owner;
  };
  const fields = (ownerId: string) => newProject(ownerId, 'One more', now);
  const owned = async (db: Database, ownerId: string): Promise<number> =>
    (
      await db.query('test', (orm) =>
        orm.select({ id: projects.id }).from(projects).where(eq(projects.ownerId, ownerId)),
      )
    ).length;

  it('has a limit that requests at once do not pass, and that the trash does not get around', async () => {
    const db = store().open();
    const owner = await crowded(db, 3);
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => createProject(store().open(), fields(owner))),
    );
    expect(codes(results).filter((code) => code === 'done')).toHaveLength(3);
    expect(codes(results).filter((code) => code === 'quota_exceeded')).toHaveLength(7);
    expect(await owned(db, owner)).toBe(limits.project.perUser);
    const spare = await someUser(db);
    await createProject(db, fields(spare));
    const [one] = await db.query('test', (orm) => orm.select().from(projects).where(eq(projects.ownerId, owner)));
    if (!one) throw new Error('no project');
    await trashProject(db, one.id, by(owner));
    await expect(createProject(db, fields(owner))).rejects.toMatchObject({ code: 'quota_exceeded' });
    await startErasing(db, one.id, by(owner));
    await createProject(db, fields(owner));
    await expect(createProject(db, fields(owner))).rejects.toMatchObject({ code: 'quota_exceeded' });
  });

  it('binds who is given projects: of two at once for the last place, one arrives', async () => {
    const db = store().open();
    const heir = await crowded(db, 1);
    const gifts = [await shared(db), await shared(db)];
    for (const { projectId, owner } of gifts)
      await addCollaborator(db, { projectId, userId: heir, role: 'viewer' }, by(owner));
    const results = await Promise.allSettled(
      gifts.map(({ projectId, owner }) =>
        transferProject(store().open(), { projectId, from: owner, to: heir }, by(owner)),
      ),
    );
    expect(codes(results).sort()).toEqual(['done', 'quota_exceeded']);
    expect(await owned(db, heir)).toBe(limits.project.perUser);
  });
});

onBothEngines('The audit log', (store) => {
  it('has one entry for a change that was made, and none for one that was not', async () => {
    const db = store().open();
    const { projectId, owner } = await shared(db);
    const member = await someUser(db);
    const many = <T>(work: (db: Database) => Promise<T>) =>
      Promise.allSettled(Array.from({ length: 6 }, () => work(store().open())));
    await many((one) => updateProject(one, projectId, { name: 'New', isPublic: true }, 1, by(owner)));
    await many((one) => addCollaborator(one, { projectId, userId: member, role: 'editor' }, by(owner)));
    await many((one) => setRole(one, { projectId, userId: member, role: 'viewer' }, by(owner)));
    await many((one) => removeCollaborator(one, { projectId, userId: member }, by(owner)));
    await many((one) => trashProject(one, projectId, by(owner)));
    await many((one) => restoreProject(one, projectId, by(owner)));
    await many((one) => startErasing(one, projectId, by(owner)));
    expect(await history(db, projectId)).toEqual([
      'project.created',
      'project.updated',
      'member.added',
      'member.changed',
      'member.removed',
      'project.trashed',
      'project.restored',
      'project.erased',
    ]);
  });

  it('is read newest first in pages that neither repeat nor skip, with people and no addresses', async () => {
    const db = store().open();
    const { projectId, owner } = await shared(db);
    const members = await people(db, 5);
    for (const userId of members) await addCollaborator(db, { projectId, userId, role: 'viewer' }, by(owner));
    const other = await shared(db);
    const read = async (fields: Record<string, unknown>) => {
      const found: Awaited<ReturnType<typeof listActivity>>['activity'] = [];
      let cursor: string | null | undefined;
      do {
        const page = await listActivity(db, projectId, ActivityQuery.parse({ limit: 2, ...fields, cursor }));
        found.push(...page.activity);
        cursor = page.nextCursor;
        // Newer than everything that is still to come.
        await updateProject(db, other.projectId, { name: 'x' }, null, by(owner));
      } while (cursor !== null);
      return found;
    };
    const all = await read({});
    expect(all.map(({ action }) => action)).toEqual([...Array(5).fill('member.added'), 'project.created']);
    expect(all.map(({ person }) => person?.userId)).toEqual([...members].reverse().concat([undefined as never]));
    expect(all[0]).toMatchObject({ actor: { userId: owner }, subject: `user:${members[4]}`, data: { role: 'viewer' } });
    expect(JSON.stringify(all)).not.toContain('@kiln.test');
    expect(await read({ action: 'project' })).toHaveLength(1);
    expect(await read({ action: 'member.added', actor: owner })).toHaveLength(5);
    expect(await read({ action: 'member.removed' })).toEqual([]);
    expect(await read({ actor: members[0] })).toEqual([]);
  });

  it('#34 a cursor of another project shows nothing of it', async () => {
    const db = store().open();
    const [mine, theirs] = [await shared(db), await shared(db)];
    for (const place of [mine, theirs])
      for (const name of ['a', 'b', 'c']) await updateProject(db, place.projectId, { name }, null, by(place.owner));
    const { nextCursor } = await listActivity(db, theirs.projectId, ActivityQuery.parse({ limit: 1 }));
    const page = await listActivity(db, mine.projectId, ActivityQuery.parse({ cursor: nextCursor }));
    for (const { actor } of page.activity) expect(actor?.userId).toBe(mine.owner);
  });
});

onBothEngines('Usage', (store) => {
  it('counts what is one’s own: projects, their files, bytes and members, and builds by their state', async () => {
    const db = store().open();
    const { projectId, owner } = await shared(db);
    const second = await someProject(db, owner);
    for (const id of [projectId, second])
      await db.query('test', (orm) =>
        orm
          .update(projects)
          .set({ fileCount: 3, totalSize: 2_000_000_000, assetBytes: 3_000_000_000 })
          .where(eq(projects.id, id)),
      );
    const guest = await someUser(db);
    await addCollaborator(db, { projectId, userId: guest, role: 'editor' }, by(owner));
    await someBuild(db, projectId, owner, now - 86_400_000);
    await someBuild(db, projectId, owner);
    await someBuild(db, projectId, guest);
    const day = { used: 3, limit: 250, resetsAt: null };
    expect(await usageOf(db, owner, now - 1000, day)).toEqual({
      projects: { used: 2, limit: limits.project.perUser },
      bytes: { used: 4_000_000_000, limitPerProject: limits.project.totalSize },
      files: { used: 6, limitPerProject: limits.project.filesMax },
      members: { used: 1, limitPerProject: limits.project.collaboratorsMax },
      assetBytes: { used: 6_000_000_000, limit: limits.asset.userBytes, limitPerProject: limits.asset.projectBytes },
      buildBytes: { used: 0, projects: [] },
      builds: {
        today: 1,
        day,
        running: { used: 0, limit: limits.build.runningPerUser },
        queued: { used: 2, limit: limits.build.queuedPerUser },
      },
    });
    expect(await usageOf(db, guest, now - 1000, day)).toMatchObject({
      projects: { used: 0 },
      bytes: { used: 0 },
      members: { used: 0 },
      builds: { today: 1, queued: { used: 1 } },
    });
  });
});
