import * as z from 'zod';
import { nextCursor, pageQuery } from './common.ts';
import { Id, Timestamp } from './ids.ts';
import { limits } from './limits.ts';
import { MemberRole, Role } from './projects.ts';
import { day } from './units.ts';
import { Email, Person } from './users.ts';

/** An invite that can still be used, as the owner sees it. */
export const Invite = z
  .object({
    id: Id,
    kind: z.enum(['addressed', 'link']),
    role: MemberRole,
    email: z.string().nullable().meta({ description: 'Whom it is addressed to; null for a link' }),
    uses: z.int(),
    maxUses: z.int(),
    createdAt: Timestamp,
    expiresAt: Timestamp,
  })
  .meta({ id: 'Invite' });
export type Invite = z.infer<typeof Invite>;

export const CreateInvite = z
  .strictObject({
    role: MemberRole,
    email: Email.optional().meta({ description: 'Makes it an addressed invite, good for one use' }),
    maxUses: z
      .int()
      .min(1)
      .max(limits.project.collaboratorsMax)
      .optional()
      .meta({ description: `Uses of a link; ${limits.invite.uses} unless said` }),
    expiresAt: Timestamp.optional().meta({
      description: `At most ${limits.invite.ttlMax / day} days ahead; ${limits.invite.ttl / day} days unless said`,
    }),
  })
  .refine(({ email, maxUses }) => email === undefined || maxUses === undefined || maxUses === 1, {
    path: ['maxUses'],
    message: 'an addressed invite is good for one use',
  });

export const NewInvite = z.object({
  invite: Invite,
  token: z.string().meta({ description: 'Shown this once; only its hash is kept' }),
  url: z.string().meta({ description: 'The same for people: pass it on' }),
});
export const InviteList = z.object({ invites: z.array(Invite), nextCursor });

/** What the holder of a token is shown before they accept. */
export const InvitePreview = z
  .object({
    projectId: Id,
    projectName: z.string(),
    role: MemberRole,
    invitedBy: Person,
    expiresAt: Timestamp,
    currentRole: Role.nullable().meta({ description: 'What the reader is in the project already' }),
  })
  .meta({ id: 'InvitePreview' });
export type InvitePreview = z.infer<typeof InvitePreview>;
export const InvitePreviewEnvelope = z.object({ invite: InvitePreview });

export const TransferProject = z.strictObject({ userId: Id });

/** One line of a project's history: who did what to whom. */
export const Activity = z
  .object({
    id: Id,
    at: Timestamp,
    action: z.string().meta({ description: '`project.*`, `member.*`, `invite.*`, `build.*`, …' }),
    actor: Person.nullable().meta({ description: 'Null for the platform itself' }),
    subject: z.string().nullable().meta({ description: 'What it was done to, as `user:<id>` or `build:<id>`' }),
    person: Person.nullable().meta({ description: 'The subject, where it is a user' }),
    data: z.record(z.string(), z.json()),
  })
  .meta({ id: 'Activity' });
export type Activity = z.infer<typeof Activity>;

export const ActivityQuery = z.object({
  ...pageQuery,
  action: z
    .string()
    .max(limits.project.actionMax)
    .regex(/^[a-z]+(?:\.[a-z_]+)?$/, 'a whole action, or its first word')
    .optional()
    .meta({ description: '`member.added`, or `member` for all that begin so' }),
  actor: Id.optional().meta({ description: 'Id of a user' }),
});
export type ActivityQuery = z.infer<typeof ActivityQuery>;
export const ActivityList = z.object({ activity: z.array(Activity), nextCursor });

/** What there is, and how much there may be. */
const quota = z.object({ used: z.int(), limit: z.int() });
/** What is limited in each project, summed over the user's own. */
const inProjects = z.object({ used: z.int(), limitPerProject: z.int() });

export const Usage = z
  .object({
    projects: quota.meta({ description: 'Own ones, those in the trash included' }),
    bytes: inProjects,
    files: inProjects,
    members: inProjects,
    assetBytes: quota
      .extend({ limitPerProject: z.int() })
      .meta({ description: 'All versions, those in the trash and what open uploads will take included' }),
    buildBytes: z
      .object({
        used: z.int(),
        projects: z
          .array(z.object({ projectId: Id, name: z.string(), used: z.int() }))
          .meta({ description: `The ${limits.build.retention.projectsShown} projects whose builds take most` }),
      })
      .meta({
        description:
          'What the builds of own projects made and keep: sites, downloads and reports; what several builds show counts once',
      }),
    builds: z.object({
      today: z.int().meta({ description: 'Started since midnight UTC and not removed' }),
      day: quota
        .extend({ resetsAt: Timestamp.nullable().meta({ description: 'When all are free again; null: all are' }) })
        .meta({
          description:
            'Of the builds that may be started in a day, in any 24 hours: those that are used come back one by one until `resetsAt`',
        }),
      running: quota,
      queued: quota,
    }),
  })
  .meta({ id: 'Usage' });
export type Usage = z.infer<typeof Usage>;
export const UsageEnvelope = z.object({ usage: Usage });
