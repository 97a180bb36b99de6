import * as z from 'zod';
import { nextCursor, pageQuery } from './common.ts';
import { Id, Timestamp } from './ids.ts';
import { limits } from './limits.ts';
import { Scope } from './scopes.ts';
import { day } from './units.ts';
import { KnownPassword, Password, User } from './users.ts';

/** A sign-in that is still good, as its owner sees it. */
export const SessionInfo = z
  .object({
    id: Id,
    userAgent: z.string().meta({ description: 'As the client called itself when it signed in' }),
    createdAt: Timestamp,
    lastUsedAt: Timestamp.meta({ description: 'When its refresh token was last used' }),
    expiresAt: Timestamp.meta({ description: 'Its absolute end' }),
    current: z.boolean().meta({ description: 'The one that asks' }),
  })
  .meta({ id: 'SessionInfo' });
export type SessionInfo = z.infer<typeof SessionInfo>;
export const SessionList = z.object({ sessions: z.array(SessionInfo), nextCursor: z.null() });

export const ChangePassword = z.strictObject({
  currentPassword: KnownPassword.optional().meta({ description: 'Left out by an account that has none yet' }),
  newPassword: Password,
});

export const ApiKey = z
  .object({
    id: Id,
    name: z.string(),
    prefix: z.string().meta({ description: 'How the key begins, to tell keys apart', example: 'kiln_4f9A' }),
    scopes: z.array(Scope),
    projectId: Id.nullable().meta({ description: 'The one project that it opens; null for all of its owner' }),
    expiresAt: Timestamp.nullable(),
    lastUsedAt: Timestamp.nullable().meta({ description: 'Some minutes late' }),
    createdAt: Timestamp,
  })
  .meta({ id: 'ApiKey' });
export type ApiKey = z.infer<typeof ApiKey>;

export const CreateApiKey = z.strictObject({
  name: z.string().trim().min(1).max(limits.apiKey.nameMax),
  scopes: z
    .array(Scope)
    .min(1)
    .max(Scope.options.length)
    .refine((scopes) => new Set(scopes).size === scopes.length, 'each scope once')
    .meta({ example: ['projects:read'] }),
  projectId: Id.optional(),
  expiresAt: Timestamp.optional().meta({
    description: `In the future, at most ${limits.apiKey.ttlMax / day} days ahead; never unless said`,
  }),
});
export type CreateApiKey = z.infer<typeof CreateApiKey>;
export const NewApiKey = z.object({
  apiKey: ApiKey,
  secret: z.string().meta({ description: 'Shown this once; only its hash is kept' }),
});
export const ApiKeyList = z.object({ apiKeys: z.array(ApiKey), nextCursor: z.null() });

/** One thing that happened to an account. */
export const SecurityEvent = z
  .object({
    id: Id,
    at: Timestamp,
    action: z.string().meta({ description: '`auth.signed_in`, `auth.session_revoked`, `auth.api_key_created`, …' }),
    subject: z.string().nullable().meta({ description: 'What it was done to, as `session:<id>`' }),
    data: z.record(z.string(), z.json()),
  })
  .meta({ id: 'SecurityEvent' });
export type SecurityEvent = z.infer<typeof SecurityEvent>;
export const SecurityEventQuery = z.object({ ...pageQuery });
export type SecurityEventQuery = z.infer<typeof SecurityEventQuery>;
export const SecurityEventList = z.object({ events: z.array(SecurityEvent), nextCursor });

export const DeleteAccount = z.strictObject({
  password: KnownPassword.optional().meta({ description: 'Left out by an account that has none' }),
});
export const AccountDeletion = z.object({
  deletion: z.object({
    requestedAt: Timestamp,
    erasedAt: Timestamp.meta({ description: 'From then on it cannot be undone' }),
  }),
});

/** Everything that Kiln keeps of one person, for themself. Files of projects come by the projects' own exports. */
export const AccountExport = z
  .object({
    exportedAt: Timestamp,
    user: User,
    providers: z.array(z.object({ provider: z.string(), email: z.string().nullable(), linkedAt: Timestamp })),
    sessions: z.array(SessionInfo),
    apiKeys: z.array(ApiKey),
    projects: z.array(
      z.object({
        id: Id,
        name: z.string(),
        description: z.string(),
        role: z.enum(['owner', 'editor', 'viewer']),
        createdAt: Timestamp,
        exportUrl: z.string().meta({ description: 'Its files, as a zip archive' }),
      }),
    ),
    builds: z.array(z.object({ id: Id, projectId: Id, target: z.string(), status: z.string(), createdAt: Timestamp })),
    activity: z.array(
      z.object({
        at: Timestamp,
        action: z.string(),
        projectId: Id.nullable(),
        subject: z.string().nullable(),
        data: z.record(z.string(), z.json()),
      }),
    ),
    truncated: z.boolean().meta({
      description: `True when a list has more than ${limits.account.exportRows} rows: older ones are left out`,
    }),
  })
  .meta({ id: 'AccountExport' });
export type AccountExport = z.infer<typeof AccountExport>;

/** An account as the operator names and sees it. */
export const OperatorAccountBody = z.strictObject({
  account: z.string().min(1).max(limits.auth.emailMax).meta({ description: 'Id, email or user name' }),
  reason: z.string().trim().max(limits.account.reasonMax).optional().meta({ description: 'For the audit log' }),
});
export const OperatorAccount = z.object({
  account: z.object({
    id: Id,
    username: z.string(),
    state: z.enum(['active', 'disabled', 'deleted']),
    endedSessions: z.int(),
    cancelledBuilds: z.int(),
  }),
});
