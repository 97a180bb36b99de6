import { describe, expect, it } from 'vitest';
import { colorOf } from '../../src/contract/color.ts';
import { Id, newId } from '../../src/contract/ids.ts';
import { limits } from '../../src/contract/limits.ts';
import type { PeerState } from '../../src/durable-objects/room/peer.ts';

const {
  auth,
  backup,
  build,
  client,
  database,
  diff,
  file,
  http,
  intake,
  invite,
  merge,
  patience,
  project,
  room,
  search,
  outbox,
} = limits;
/** Cloudflare: largest string, blob or row of a SQLite-backed object, and of a D1 row. */
const rowMax = 2_000_000;

describe('Limits fit together', () => {
  it('every number is positive and whole', () => {
    const visit = (value: unknown, name: string): void => {
      if (typeof value === 'object' && value !== null)
        for (const [key, inner] of Object.entries(value)) visit(inner, `${name}.${key}`);
      else expect(Number.isInteger(value) && Number(value) > 0, name).toBe(true);
    };
    visit(limits, 'limits');
  });

  it('a chunk of the log, the largest hot text and a kept revision fit into a row of SQLite', () => {
    expect(room.chunk).toBeLessThan(rowMax);
    expect(file.textMax).toBeLessThan(rowMax);
    expect(project.settingsBytes).toBeLessThan(rowMax);
  });

  it('the largest text fits, with its history, into one frame, and a frame into what a document may hold', () => {
    expect(file.textMax).toBeLessThan(room.frameBytes);
    expect(room.frameBytes).toBeLessThan(room.documentBytes);
    expect(room.logBytes).toBeLessThan(room.documentBytes);
  });

  it('an attachment holds a peer with as many awareness states as one socket may have', () => {
    const state: PeerState = {
      id: newId(),
      user: {
        userId: newId(),
        username: 'u'.repeat(auth.usernameMax),
        displayName: '🎮'.repeat(auth.displayNameMax / 2),
        color: colorOf(newId()),
      },
      target: { kind: 'document', file: Number.MAX_SAFE_INTEGER },
      access: 'viewer',
      since: Date.UTC(2100, 0),
      awareness: [],
      path: 'é'.repeat(file.pathMax),
    };
    const bytes = Buffer.byteLength(JSON.stringify(state)) + room.awarenessClients * (room.awarenessBytes + 500);
    expect(bytes).toBeLessThan(room.attachmentBytes);
    expect(room.attachmentBytes).toBeLessThanOrEqual(16_384);
  });

  it('an invite cannot be guessed, lets no more people in than a project takes, and all open ones fit into one page', () => {
    expect(invite.tokenBytes * 8).toBeGreaterThanOrEqual(128);
    expect(invite.ttl).toBeLessThanOrEqual(invite.ttlMax);
    expect(invite.uses).toBeLessThanOrEqual(project.collaboratorsMax);
    expect(invite.openMax).toBeLessThanOrEqual(http.pageMax);
  });

  it('a runner reports several times within its lease, and a lease ends well within the timeout', () => {
    expect(build.heartbeat * 3).toBeLessThanOrEqual(build.lease);
    expect(build.lease).toBeLessThan(build.timeout);
    expect(build.queuedSweep).toBeLessThan(build.queuedTimeout);
    expect(build.projectionInterval).toBeLessThan(build.heartbeat);
    expect(build.retryDelay).toBeLessThan(build.queuedSweep);
  });

  it('the whole output bounds a single one', () => {
    expect(build.outputFileBytes).toBeLessThanOrEqual(build.programBytes);
    expect(2 * build.programBytes).toBeLessThanOrEqual(build.outputBytes);
    expect(build.runningPerUser).toBeLessThan(build.queuedPerUser);
  });

  it('an edit is stored, acknowledged, flushed, copied and indexed in that order', () => {
    const order = [room.commitWindow.max, room.savedWindow, room.flushAfter, room.indexDelay, room.blobIdle];
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    expect(room.flushAfter).toBeLessThanOrEqual(1000);
    expect(room.savedWindow).toBeLessThanOrEqual(100);
    expect(room.indexDelay).toBeLessThanOrEqual(30_000);
  });

  it('a resume replays no more than is kept', () => {
    expect(room.eventsReplayed).toBeLessThanOrEqual(room.eventsKept);
  });

  it('sockets of all users fit the room as promised: 100 users, 1,000 sockets', () => {
    expect([room.usersMax, room.socketsMax]).toEqual([100, 1000]);
    expect(room.socketsPerUser).toBeLessThan(room.socketsMax);
  });

  it('memberships heal within five seconds, tickets live a minute, clocks differ by a minute at most', () => {
    expect(room.memberCacheTtl).toBeLessThanOrEqual(5000);
    expect(room.ticketTtl).toBeLessThanOrEqual(60_000);
    expect(auth.clockLeeway).toBeLessThanOrEqual(60_000);
    expect(auth.accessTokenTtl).toBeLessThanOrEqual(15 * 60_000);
    expect(auth.accessTokenTtl).toBeLessThan(auth.refreshTokenTtl);
    expect(auth.refreshTokenTtl).toBeLessThanOrEqual(auth.sessionTtl);
  });

  it('a JSON body holds the largest text at its worst escaping that the limit names', () => {
    expect(http.jsonBody).toBeGreaterThanOrEqual(2 * file.textMax);
    expect(file.textMax).toBeLessThanOrEqual(file.sizeMax);
    expect(file.sizeMax).toBeLessThan(project.totalSize);
    // Typing may wait for other updates; what it waits with is counted only when it comes.
    expect(project.typingSlack).toBeGreaterThan(room.pendingBytes);
    expect(file.segmentBytes).toBeLessThan(file.pathMax);
    expect(http.pageDefault).toBeLessThanOrEqual(http.pageMax);
  });

  it('the client does not flood the room', () => {
    expect(1000 / client.cursor).toBeLessThan(room.framesPerSecond);
    expect(client.retryFirst).toBeLessThan(client.retryMax);
    expect(client.stable).toBeLessThan(client.retryMax);
    expect(client.pong).toBeLessThan(client.ping);
  });

  it('who waits for others waits longer than they do, and an alarm outlives the longest wait, twice', () => {
    expect(database.connectTimeout).toBeLessThan(database.statementTimeout);
    expect(http.idempotencyLease).toBeGreaterThan(http.idempotencyRenewal + database.statementTimeout);
    expect(http.readinessPatience).toBeLessThan(Math.min(patience.store, database.statementTimeout));
    // An object asks the database, and a store for three places of one blob.
    expect(patience.object).toBeGreaterThan(database.statementTimeout + 3 * patience.store);
    expect(patience.store + (file.sizeMax / patience.bytesPerSecond) * 1000).toBeLessThan(patience.object);
    const alarm = 15 * 60_000;
    expect(2 * patience.roomBackup + backup.alarmTime).toBeLessThan(alarm);
    expect(patience.stream).toBeLessThanOrEqual(alarm);
  });

  it('one text cannot use up the work of a merge, and what a merge or a diff shows fits into an answer', () => {
    expect(merge.textWork * 4).toBeLessThanOrEqual(merge.work);
    expect(merge.shownText).toBeLessThan(file.textMax);
    expect(merge.shownText * 4).toBeLessThan(merge.shownBytes);
    // An RPC may carry 32 MiB.
    expect(merge.shownBytes + diff.bytes).toBeLessThan(32 * 1024 * 1024);
    expect(http.jsonDepth).toBeLessThan(merge.jsonDepth);
  });

  it('a search leaves room for others: a share of work holds a line for any pattern, its texts fit the cache', () => {
    expect(search.steps / search.programMax).toBeGreaterThanOrEqual(2 * search.preview);
    // A literal takes one step per character, and is searched to the end of any line.
    expect(file.textMax).toBeLessThan(search.steps);
    expect(search.parallel * (2 * file.textMax + 200)).toBeLessThanOrEqual(search.cacheBytes);
    expect(search.coldTexts).toBeLessThan(1000);
    expect(search.matchesPerFile).toBeLessThanOrEqual(search.matches);
    expect(search.waitingPerUser).toBeLessThan(search.waiting);
  });

  it('bytes on their way fit a part of R2, and are not swept while the slowest body still comes', () => {
    expect(intake.part).toBeGreaterThanOrEqual(5 * 1024 * 1024);
    const slowest = Math.ceil(file.sizeMax / http.bodyPace.bytes) * http.bodyPace.window;
    expect(slowest).toBeLessThan(intake.abandoned);
  });

  it('an archive that fits can be unpacked: what may be text is held whole, and a step of inflating is small', () => {
    const { archive } = limits;
    expect(archive.wholeBytes).toBeGreaterThanOrEqual(file.textMax);
    expect(archive.partBytes).toBeGreaterThanOrEqual(5 * 1024 * 1024);
    expect(archive.uploadBytes / archive.partBytes).toBeLessThan(10_000);
    // Deflate makes at most 1032 bytes of one.
    expect(archive.inflateStep * 1032).toBeLessThan(8 * 1024 * 1024);
    expect(archive.inflateStep).toBeLessThan(archive.readAhead);
    expect(archive.entriesMax).toBeGreaterThan(project.filesMax);
    expect(archive.ratioFloor).toBeLessThan(project.totalSize);
    expect(archive.uploadTtl).toBeGreaterThan(archive.uploadTimeout);
  });

  it('a claimed outbox row is done before another worker may take it', () => {
    expect(outbox.claim).toBeGreaterThanOrEqual(10_000);
  });
});

describe('Ids', () => {
  it('are UUIDv7: valid by the contract, unique, and sorted by creation', () => {
    const ids = Array.from({ length: 1000 }, newId);
    expect(ids.every((id) => Id.safeParse(id).success)).toBe(true);
    expect(new Set(ids).size).toBe(1000);
    expect([...ids].sort()).toEqual(ids);
  });

  it('give a user one colour, from a palette, also when they are no ids', () => {
    const id = newId();
    expect(colorOf(id)).toBe(colorOf(id));
    for (const any of [id, '', 'not an id', 'zzzzzz']) expect(colorOf(any)).toMatch(/^#[0-9a-f]{6}$/);
  });
});
