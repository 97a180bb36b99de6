import { define } from './define.ts';
import { postgresKit } from './kit.ts';

/** The tables as PostgreSQL has them: read by drizzle-kit, which writes its migrations from here. */
export const {
  users,
  oauthAccounts,
  oauthFlows,
  emailTokens,
  sessions,
  refreshTokens,
  apiKeys,
  projects,
  collaborators,
  invites,
  inviteExclusions,
  projectFiles,
  assets,
  assetVersions,
  uploads,
  uploadParts,
  optimizations,
  builds,
  publications,
  slugs,
  templates,
  plugins,
  pluginVersions,
  projectPlugins,
  auditLog,
  outbox,
  idempotencyKeys,
} = define(postgresKit);
