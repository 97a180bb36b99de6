import { randomBytes } from 'node:crypto';
import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';
import { day } from '../../contract/units.ts';
import type { User } from '../../contract/users.ts';
import { type InviteWorth, worthOf } from '../../core/invites.ts';
import { inviteUrl } from '../../core/links.ts';
import { accessOf } from '../../core/permissions.ts';
import { sha256 } from '../../core/tree.ts';
import { tooManyMembers } from '../../data/collaborators.ts';
import { acceptInvite, createInvite, inviteFacts, listInvites, toInvite, withdrawInvite } from '../../data/invites.ts';
import { projectAccess } from '../../data/projects.ts';
import { toUser, userByEmail, userById } from '../../data/users.ts';
import { unwrap } from '../../durable-objects/rpc.ts';
import { projectRoom } from '../../durable-objects/stubs.ts';
import { type AppContext, type AppEnv, actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { tellRoom } from '../tell-room.ts';

/** When an invite ends that is made now. Throws `validation_failed`. */
function expiryOf(expiresAt: string | undefined, now: number): number {
  const at = expiresAt === undefined ? now + limits.invite.ttl : Date.parse(expiresAt);
  if (at > now && at <= now + limits.invite.ttlMax) return at;
  const message = `must be ahead, by at most ${limits.invite.ttlMax / day} days`;
  throw new KilnError('validation_failed', { issues: [{ path: 'body.expiresAt', message }] });
}

type Facts = NonNullable<Awaited<ReturnType<typeof inviteFacts>>>;

/** What the token leads to, for this reader. Whatever makes it useless to them looks the same to them; the log says which. */
async function readInvite(
  c: AppContext,
  token: string,
  userId: string,
): Promise<{ facts: Facts; reader: User; worth: InviteWorth }> {
  const row = await userById(c.var.db, userId);
  if (!row) throw new KilnError('unauthenticated');
  const reader = toUser(row);
  const facts = await inviteFacts(c.var.db, sha256(token), userId);
  const worth = facts ? worthOf(facts, reader, c.var.started) : 'unknown';
  c.var.fields.invite = facts?.invite.id;
  if (facts && (worth === 'open' || worth === 'member')) {
    c.var.fields.project = facts.project.id;
    return { facts, reader, worth };
  }
  c.var.fields.refused = worth;
  throw new KilnError('invite_invalid');
}

export function inviteRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listInvites, async (c, { room }) => {
    await room.enter();
    const rows = await listInvites(c.var.db, room.projectId, c.var.started);
    return { status: 200, body: { invites: rows.map(toInvite), nextCursor: null } };
  });

  mount(app, endpoints.createInvite, async (c, { room, user, body }) => {
    await room.enter();
    const { projectId } = room;
    const expiresAt = expiryOf(body.expiresAt, c.var.started);
    const email = body.email ?? null;
    const invited = email === null ? undefined : await userByEmail(c.var.db, email);
    const access = invited && (await projectAccess(c.var.db, projectId, invited.id))?.access;
    if (access && access !== 'public') throw new KilnError('already_member');
    const token = randomBytes(limits.invite.tokenBytes).toString('base64url');
    const invite = await createInvite(
      c.var.db,
      {
        projectId,
        hash: sha256(token),
        role: body.role,
        email,
        maxUses: email === null ? (body.maxUses ?? limits.invite.uses) : 1,
        expiresAt,
      },
      actorOf(c, user.userId),
    );
    return { status: 201, body: { invite: toInvite(invite), token, url: inviteUrl(c.var.config, token) } };
  });

  mount(app, endpoints.withdrawInvite, async (c, { room, user, params }) => {
    await room.enter();
    if (!(await withdrawInvite(c.var.db, room.projectId, params.inviteId, actorOf(c, user.userId))))
      throw new KilnError('not_found');
    return { status: 204 };
  });

  mount(app, endpoints.previewInvite, async (c, { user, params }) => {
    const { facts, reader } = await readInvite(c, params.token, user.userId);
    const { invite, project, inviter, membership } = facts;
    const access = accessOf(reader.id, project, membership);
    return {
      status: 200,
      body: {
        invite: {
          projectId: project.id,
          projectName: project.name,
          role: invite.role,
          invitedBy: inviter,
          expiresAt: new Date(invite.expiresAt).toISOString(),
          currentRole: access === 'public' ? null : access,
        },
      },
    };
  });

  mount(app, endpoints.acceptInvite, async (c, { user, params }) => {
    const { facts, reader, worth } = await readInvite(c, params.token, user.userId);
    const { invite, project, membership } = facts;
    if (worth === 'open') {
      if (await acceptInvite(c.var.db, invite, reader, actorOf(c, user.userId)))
        await tellRoom(c, project.id, {
          type: membership === null ? 'member.added' : 'member.changed',
          by: user.userId,
          data: { userId: user.userId, role: invite.role },
        });
      // Somebody was faster: the last use is spent, the invite is withdrawn, or this reader is a member by now.
      else if ((await readInvite(c, params.token, user.userId)).worth === 'open') throw tooManyMembers();
    }
    const joined = await unwrap(projectRoom(c.env, project.id).project({ userId: user.userId }, 'project.read'));
    return { status: 200, body: { project: joined.project } };
  });
}
