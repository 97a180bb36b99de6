import { expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import { audit } from '../../src/data/audit.ts';
import type { Database } from '../../src/data/database.ts';
import { claimKey, expireKeys, finishKey, releaseKey, renewKey } from '../../src/data/idempotency.ts';
import { auditLog } from '../../src/data/schema/sqlite.ts';
import { listTemplates, type TemplateRow, templateByRef, upsertTemplate } from '../../src/data/templates.ts';
import { now } from './support/rows.ts';
import { onBothEngines } from './support/stores.ts';

const template = (slug: string, name: string, tags: string[], description = ''): TemplateRow => ({
  id: newId(),
  slug,
  name,
  description,
  tags,
  author: 'Kiln',
  authorId: null,
  version: '1.0.0',
  thumbnailHash: null,
  treeHash: 'tree',
  fileCount: 1,
  totalSize: 1,
  createdAt: now,
  updatedAt: now,
});

onBothEngines('Templates', (store) => {
  const slugs = async (db: Database, query: { q?: string; tag?: string } = {}) => {
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listTemplates(db, { ...query, limit: 2, cursor });
      found.push(...page.rows.map(({ slug }) => slug));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return found;
  };

  it('are listed by name and searched by words of name, description and tags, and by whole tags', async () => {
    const db = store().open();
    for (const row of [
      template('platformer', 'Platformer', ['2d', 'phaser'], 'Jump & run'),
      template('shooter', 'Arena Shooter', ['3d', 'three.js', "it's"], '100% action?'),
      template('puzzle', 'Puzzle', ['2d', '2d-grid'], 'Match things with PHASER'),
    ])
      await upsertTemplate(db, row);
    expect(await slugs(db)).toEqual(['shooter', 'platformer', 'puzzle']);
    expect(await slugs(db, { q: 'pHaSeR' })).toEqual(['platformer', 'puzzle']);
    expect(await slugs(db, { q: '%' })).toEqual(['shooter']);
    expect(await slugs(db, { q: '?' })).toEqual(['shooter']);
    expect(await slugs(db, { tag: '2d' })).toEqual(['platformer', 'puzzle']);
    expect(await slugs(db, { tag: '2d-grid' })).toEqual(['puzzle']);
    expect(await slugs(db, { tag: "it's" })).toEqual(['shooter']);
    expect(await slugs(db, { tag: '2' })).toEqual([]);
    expect(await slugs(db, { tag: '2d', q: 'jump' })).toEqual(['platformer']);
  });

  it('that have the words in their name come first, then in their tags, then in their description, page by page', async () => {
    const db = store().open();
    for (const row of [
      template('described', 'A quiet one', ['zen'], 'Nothing of a kraken in its name'),
      template('tagged', 'B deep sea', ['kraken']),
      template('named-late', 'Zz Kraken', []),
      template('named', 'Kraken', []),
      template('other', 'Kr aken', []),
    ])
      await upsertTemplate(db, row);
    expect(await slugs(db, { q: 'kraken' })).toEqual(['named', 'named-late', 'tagged', 'described']);
  });

  it('are brought up to date under their slug, and keep their id', async () => {
    const db = store().open();
    const first = template('kept', 'Kept', ['old']);
    await upsertTemplate(db, first);
    await upsertTemplate(db, { ...template('kept', 'Renamed', ['new']), updatedAt: now + 1, createdAt: now + 1 });
    const row = await templateByRef(db, 'kept');
    expect(row).toMatchObject({ id: first.id, name: 'Renamed', tags: ['new'], createdAt: now, updatedAt: now + 1 });
    expect(await templateByRef(db, first.id)).toEqual(row);
    expect(await templateByRef(db, 'unknown')).toBeUndefined();
  });
});

onBothEngines('Idempotency keys', (store) => {
  const request = { userId: 'u', key: 'k', holder: 'a', requestHash: 'h', now };

  it('are claimed once of 20 at once, replay the first answer, and refuse another request', async () => {
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, n) => claimKey(store().open(), { ...request, holder: `${n}` })),
    );
    expect(claims.filter(({ outcome }) => outcome === 'first')).toHaveLength(1);
    expect(claims.filter(({ outcome }) => outcome === 'running')).toHaveLength(19);
    const db = store().open();
    const first = `${claims.findIndex(({ outcome }) => outcome === 'first')}`;
    await finishKey(db, { ...request, holder: first }, { status: 201, body: '{"a":"ä"}' });
    expect(await claimKey(db, request)).toEqual({ outcome: 'replay', status: 201, body: '{"a":"ä"}' });
    expect(await claimKey(db, { ...request, requestHash: 'other' })).toEqual({ outcome: 'other-request' });
    expect(await claimKey(db, { ...request, userId: 'somebody else' })).toEqual({ outcome: 'first' });
  });

  it('are free again after a failure, after their Worker died, and after a day', async () => {
    const db = store().open();
    const mine = { ...request, userId: 'mine' };
    await claimKey(db, mine);
    await releaseKey(db, mine);
    expect(await claimKey(db, mine)).toEqual({ outcome: 'first' });
    const { idempotencyLease: lease, idempotencyTtl: ttl } = limits.http;
    expect(await claimKey(db, { ...mine, now: now + lease })).toEqual({ outcome: 'running' });
    await renewKey(db, mine, now + 1000);
    expect(await claimKey(db, { ...mine, now: now + lease + 1 })).toEqual({ outcome: 'running' });
    expect(await claimKey(db, { ...mine, now: now + lease + 1001 })).toEqual({ outcome: 'first' });
    await finishKey(db, mine, { status: 200, body: 'x' });
    const later = now + lease + 1001 + ttl + 1;
    expect(await claimKey(db, { ...mine, now: later })).toEqual({ outcome: 'first' });
    await expireKeys(db, later + ttl + 1);
    expect(await claimKey(db, { ...mine, now: later })).toEqual({ outcome: 'first' });
  });

  it('are nothing to the one from whom they were taken over', async () => {
    const db = store().open();
    const [slow, quick] = ['slow', 'quick'].map((holder) => ({ ...request, userId: 'taken', holder })) as [
      typeof request,
      typeof request,
    ];
    const at = now + limits.http.idempotencyLease + 1;
    expect(await claimKey(db, slow)).toEqual({ outcome: 'first' });
    expect(await claimKey(db, { ...quick, now: at })).toEqual({ outcome: 'first' });
    await renewKey(db, slow, at + 5000);
    await finishKey(db, slow, { status: 201, body: 'slow' });
    await releaseKey(db, slow);
    expect(await claimKey(db, { ...slow, now: at })).toEqual({ outcome: 'running' });
    await finishKey(db, quick, { status: 201, body: 'quick' });
    for (const holder of [slow, quick]) await releaseKey(db, holder);
    expect(await claimKey(db, { ...slow, now: at })).toEqual({ outcome: 'replay', status: 201, body: 'quick' });
  });
});

onBothEngines('The audit log', (store) => {
  it('keeps who did what, with whatever is left out as null', async () => {
    const db = store().open();
    await audit(db, { actorId: null, action: 'a', now });
    await audit(db, {
      actorId: 'x',
      projectId: 'p',
      action: 'b',
      subject: 's',
      data: { role: 'editor' },
      now: now + 1,
    });
    const rows = await db.query('test', (orm) => orm.select().from(auditLog).orderBy(auditLog.at));
    expect(rows).toMatchObject([
      { actorId: null, projectId: null, action: 'a', subject: null, data: {}, at: now },
      { actorId: 'x', projectId: 'p', action: 'b', subject: 's', data: { role: 'editor' }, at: now + 1 },
    ]);
  });
});
