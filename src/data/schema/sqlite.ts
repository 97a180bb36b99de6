import { define } from './define.ts';
import { sqliteKit } from './kit.ts';

/** The tables as every query names them, and as D1 has them. */
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
} = define(sqliteKit);
