import { sql } from 'drizzle-orm';
import type { PictureOrder } from '../../contract/assets.ts';
import type { Kit } from './kit.ts';

/** Why a session was ended before its time. */
export type SessionEnd =
  | 'signed-out'
  | 'token-reused'
  | 'revoked'
  | 'password-changed'
  | 'password-reset'
  | 'account-claimed'
  | 'account-disabled'
  | 'account-deleted';

/**
 * Every table of the relational store, once for both engines. Only types that they share: text, whole
 * numbers (times are milliseconds since the epoch, booleans 0/1) and JSON kept as text, so that one
 * compiled statement and one encoding of its values serves both. Ids are UUIDv7, so the primary key
 * also sorts by creation.
 */
export function define({ table, text, integer, primaryKey, index, uniqueIndex }: Kit) {
  const id = () => text('id').primaryKey();
  const time = (name: string) => integer(name);

  const users = table(
    'users',
    {
      id: id(),
      email: text('email').notNull(),
      username: text('username').notNull(),
      /** Lower-case spelling: names that differ only in case are one name. */
      usernameFold: text('username_fold').notNull(),
      displayName: text('display_name').notNull(),
      avatarUrl: text('avatar_url'),
      /** Null for accounts that only sign in through a provider. */
      passwordHash: text('password_hash'),
      emailVerifiedAt: time('email_verified_at'),
      disabledAt: time('disabled_at'),
      deletedAt: time('deleted_at'),
      createdAt: time('created_at').notNull(),
      updatedAt: time('updated_at').notNull(),
    },
    (table) => [
      uniqueIndex('users_email').on(table.email),
      uniqueIndex('users_username').on(table.usernameFold),
      index('users_deleted').on(table.deletedAt),
    ],
  );

  const oauthAccounts = table(
    'oauth_accounts',
    {
      provider: text('provider').notNull(),
      /** The provider's `sub`. */
      subject: text('subject').notNull(),
      userId: text('user_id').notNull(),
      email: text('email'),
      emailVerified: integer('email_verified', { mode: 'boolean' }).notNull(),
      createdAt: time('created_at').notNull(),
    },
    (table) => [
      primaryKey({ columns: [table.provider, table.subject] }),
      // One of each provider per account, so that a provider's name says which link is meant.
      uniqueIndex('oauth_accounts_user').on(table.userId, table.provider),
    ],
  );

  /** A sign-in that is at a provider: made when the browser leaves, spent when it comes back. */
  const oauthFlows = table(
    'oauth_flows',
    {
      /** SHA-256 of the `state`. Verifier and nonce are in no table: they follow from the browser's cookie. */
      stateHash: text('state_hash').primaryKey(),
      provider: text('provider').notNull(),
      /** Path of the app where the browser goes on. */
      returnTo: text('return_to').notNull(),
      /** Who links the provider to their account, and by which session; null for a sign-in. */
      userId: text('user_id'),
      sessionId: text('session_id'),
      createdAt: time('created_at').notNull(),
      expiresAt: time('expires_at').notNull(),
    },
    (table) => [index('oauth_flows_expires').on(table.expiresAt)],
  );

  /** What a link in a mail proves. A token that was used, or replaced by a newer one, has no row. */
  const emailTokens = table(
    'email_tokens',
    {
      /** SHA-256 of the token. */
      hash: text('hash').primaryKey(),
      userId: text('user_id').notNull(),
      purpose: text('purpose').$type<'verify' | 'reset'>().notNull(),
      /** The address that it was sent to: worth nothing once the account has another. */
      email: text('email').notNull(),
      createdAt: time('created_at').notNull(),
      expiresAt: time('expires_at').notNull(),
    },
    (table) => [
      index('email_tokens_user').on(table.userId, table.purpose),
      index('email_tokens_expires').on(table.expiresAt),
    ],
  );

  /** One row per sign-in: the family that its refresh tokens belong to. */
  const sessions = table(
    'sessions',
    {
      id: id(),
      userId: text('user_id').notNull(),
      userAgent: text('user_agent').notNull(),
      createdAt: time('created_at').notNull(),
      lastUsedAt: time('last_used_at').notNull(),
      /** Absolute end; rotation does not move it. */
      expiresAt: time('expires_at').notNull(),
      revokedAt: time('revoked_at'),
      /** Why it was revoked; null for one that was not, or by a release that did not say (before migration 0001). */
      endReason: text('end_reason').$type<SessionEnd>(),
    },
    (table) => [
      index('sessions_user').on(table.userId, table.revokedAt),
      index('sessions_expires').on(table.expiresAt),
    ],
  );

  const refreshTokens = table(
    'refresh_tokens',
    {
      /** SHA-256 of the token. */
      hash: text('hash').primaryKey(),
      sessionId: text('session_id').notNull(),
      createdAt: time('created_at').notNull(),
      expiresAt: time('expires_at').notNull(),
      usedAt: time('used_at'),
      /** When the use that won was known to be committed; null while that is still happening. */
      settledAt: time('settled_at'),
      /** Hash of the token that replaced it. */
      successor: text('successor'),
    },
    (table) => [
      index('refresh_tokens_session').on(table.sessionId),
      index('refresh_tokens_expires').on(table.expiresAt),
    ],
  );

  const apiKeys = table(
    'api_keys',
    {
      id: id(),
      userId: text('user_id').notNull(),
      name: text('name').notNull(),
      hash: text('hash').notNull(),
      prefix: text('prefix').notNull(),
      scopes: text('scopes', { mode: 'json' }).$type<string[]>().notNull(),
      projectId: text('project_id'),
      expiresAt: time('expires_at'),
      lastUsedAt: time('last_used_at'),
      revokedAt: time('revoked_at'),
      createdAt: time('created_at').notNull(),
    },
    (table) => [uniqueIndex('api_keys_hash').on(table.hash), index('api_keys_user').on(table.userId)],
  );

  const projects = table(
    'projects',
    {
      id: id(),
      ownerId: text('owner_id').notNull(),
      name: text('name').notNull(),
      description: text('description').notNull(),
      isPublic: integer('is_public', { mode: 'boolean' }).notNull(),
      thumbnailUrl: text('thumbnail_url'),
      settings: text('settings', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
      /** creating | ready | deleting: what spans stores is finished or undone by a sweep. */
      state: text('state').$type<'creating' | 'ready' | 'deleting'>().notNull(),
      /** Raised by every change of this row: its ETag. */
      revision: integer('revision').notNull(),
      templateId: text('template_id'),
      forkedFrom: text('forked_from'),
      forkedCheckpoint: text('forked_checkpoint'),
      /** Written behind by the room. */
      fileCount: integer('file_count').notNull(),
      totalSize: integer('total_size').notNull(),
      treeHash: text('tree_hash'),
      /** Of all versions, those of assets in the trash included: counted anew by every change of an asset. */
      assetBytes: integer('asset_bytes').notNull().default(0),
      createdAt: time('created_at').notNull(),
      updatedAt: time('updated_at').notNull(),
      deletedAt: time('deleted_at'),
    },
    (table) => [
      index('projects_owner').on(table.ownerId, table.deletedAt, table.updatedAt),
      index('projects_state').on(table.state, table.updatedAt),
      index('projects_deleted').on(table.deletedAt),
    ],
  );

  const collaborators = table(
    'collaborators',
    {
      projectId: text('project_id').notNull(),
      userId: text('user_id').notNull(),
      role: text('role').$type<'editor' | 'viewer'>().notNull(),
      addedBy: text('added_by').notNull(),
      createdAt: time('created_at').notNull(),
    },
    (table) => [primaryKey({ columns: [table.projectId, table.userId] }), index('collaborators_user').on(table.userId)],
  );

  const invites = table(
    'invites',
    {
      id: id(),
      projectId: text('project_id').notNull(),
      hash: text('hash').notNull(),
      role: text('role').$type<'editor' | 'viewer'>().notNull(),
      email: text('email'),
      maxUses: integer('max_uses').notNull(),
      uses: integer('uses').notNull(),
      invitedBy: text('invited_by').notNull(),
      createdAt: time('created_at').notNull(),
      expiresAt: time('expires_at').notNull(),
      revokedAt: time('revoked_at'),
    },
    (table) => [
      uniqueIndex('invites_hash').on(table.hash),
      index('invites_project').on(table.projectId),
      index('invites_expires').on(table.expiresAt),
    ],
  );

  /** Who was removed or demoted while an invite was open: it is not the way back for them. */
  const inviteExclusions = table(
    'invite_exclusions',
    { inviteId: text('invite_id').notNull(), userId: text('user_id').notNull() },
    (table) => [primaryKey({ columns: [table.inviteId, table.userId] })],
  );

  /** The index of each room's tree: listings, quotas and recovery read it, a request for a file never does. */
  const projectFiles = table(
    'project_files',
    {
      projectId: text('project_id').notNull(),
      path: text('path').notNull(),
      hash: text('hash').notNull(),
      size: integer('size').notNull(),
      mimeType: text('mime_type').notNull(),
      seq: integer('seq').notNull(),
      updatedAt: time('updated_at').notNull(),
    },
    (table) => [primaryKey({ columns: [table.projectId, table.path] }), index('project_files_hash').on(table.hash)],
  );

  const assets = table(
    'assets',
    {
      id: id(),
      projectId: text('project_id').notNull(),
      name: text('name').notNull(),
      /** Lower-case spelling: an export is unpacked where names that differ only in case are one. */
      nameFold: text('name_fold').notNull().default(''),
      type: text('type').$type<'image' | 'audio' | 'video' | 'font' | 'model' | 'data' | 'other'>().notNull(),
      version: integer('version').notNull(),
      metadata: text('metadata', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
      createdBy: text('created_by').notNull(),
      createdAt: time('created_at').notNull(),
      updatedAt: time('updated_at').notNull(),
      deletedAt: time('deleted_at'),
    },
    (table) => [
      uniqueIndex('assets_name').on(table.projectId, table.nameFold),
      index('assets_deleted').on(table.deletedAt),
      index('assets_type').on(table.projectId, table.type),
    ],
  );

  const assetVersions = table(
    'asset_versions',
    {
      assetId: text('asset_id').notNull(),
      version: integer('version').notNull(),
      objectKey: text('object_key').notNull(),
      hash: text('hash').notNull(),
      size: integer('size').notNull(),
      mimeType: text('mime_type').notNull(),
      metadata: text('metadata', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
      createdBy: text('created_by').notNull(),
      createdAt: time('created_at').notNull(),
    },
    (table) => [primaryKey({ columns: [table.assetId, table.version] }), index('asset_versions_hash').on(table.hash)],
  );

  /** Checkpoints of a project's room that name its assets, and as of which of their states. */
  const assetMarks = table(
    'asset_marks',
    {
      checkpointId: text('checkpoint_id').primaryKey(),
      projectId: text('project_id').notNull(),
      /** Counts up within a project: states of its assets, in their order. */
      state: integer('state').notNull(),
    },
    (table) => [index('asset_marks_project').on(table.projectId, table.state)],
  );

  /**
   * Which version an asset had, and under which name, from one of these states until another: what lies between is that of
   * every mark there. A row that no mark lies in goes, and a version that a row names stays.
   */
  const assetSpans = table(
    'asset_spans',
    {
      projectId: text('project_id').notNull(),
      assetId: text('asset_id').notNull(),
      version: integer('version').notNull(),
      name: text('name').notNull(),
      firstState: integer('first_state').notNull(),
      /** The first state that it is not part of; null: it is part of the newest. */
      endState: integer('end_state'),
    },
    (table) => [
      primaryKey({ columns: [table.assetId, table.firstState] }),
      index('asset_spans_project').on(table.projectId, table.endState),
    ],
  );

  const uploads = table(
    'uploads',
    {
      id: id(),
      projectId: text('project_id').notNull(),
      userId: text('user_id').notNull(),
      name: text('name').notNull(),
      objectKey: text('object_key').notNull(),
      multipartId: text('multipart_id'),
      size: integer('size').notNull(),
      partSize: integer('part_size').notNull(),
      hash: text('hash'),
      mimeType: text('mime_type'),
      /** open | pending (all parts are there, its bytes are being verified) | done | refused. */
      status: text('status').$type<'open' | 'pending' | 'done' | 'refused'>().notNull(),
      /** Why it was refused: a code of the table of errors. */
      errorCode: text('error_code'),
      assetId: text('asset_id'),
      createdAt: time('created_at').notNull(),
      expiresAt: time('expires_at').notNull(),
    },
    (table) => [
      index('uploads_project').on(table.projectId),
      index('uploads_expires').on(table.status, table.expiresAt),
    ],
  );

  /** Parts that this Worker took itself; what a bucket took it lists. */
  const uploadParts = table(
    'upload_parts',
    {
      uploadId: text('upload_id').notNull(),
      number: integer('number').notNull(),
      etag: text('etag').notNull(),
      size: integer('size').notNull(),
    },
    (table) => [primaryKey({ columns: [table.uploadId, table.number] })],
  );

  /** Assets that a runner makes smaller, and how that went. The row is the truth: every step is one conditional update of it. */
  const optimizations = table(
    'optimizations',
    {
      id: id(),
      projectId: text('project_id').notNull(),
      assetId: text('asset_id').notNull(),
      /** Of the asset; another one by now makes the result worthless. */
      version: integer('version').notNull(),
      userId: text('user_id').notNull(),
      compressMeshes: integer('compress_meshes', { mode: 'boolean' }).notNull(),
      /** How a picture is written anew; null of what is none. */
      picture: text('picture', { mode: 'json' }).$type<PictureOrder>(),
      status: text('status').$type<'queued' | 'running' | 'done' | 'failed'>().notNull(),
      /** Counts offers to runners. */
      attempt: integer('attempt').notNull(),
      /** Counts those that a runner has begun. */
      starts: integer('starts').notNull(),
      /** Who has begun this attempt. */
      execution: text('execution'),
      savedBytes: integer('saved_bytes').notNull(),
      errorCode: text('error_code'),
      createdAt: time('created_at').notNull(),
      endedAt: time('ended_at'),
      /** When the sweep looks at it: to offer it again, to give its runner up, or to forget it. */
      dueAt: time('due_at').notNull(),
    },
    (table) => [
      index('optimizations_asset').on(table.assetId),
      index('optimizations_user').on(table.userId, table.status),
      index('optimizations_project').on(table.projectId),
      index('optimizations_due').on(table.dueAt),
    ],
  );

  /** A projection of the BuildRun object, ordered by `seq`. */
  const builds = table(
    'builds',
    {
      id: id(),
      projectId: text('project_id').notNull(),
      userId: text('user_id').notNull(),
      target: text('target').$type<'web' | 'electron' | 'cordova'>().notNull(),
      status: text('status').$type<'queued' | 'building' | 'success' | 'failed' | 'cancelled'>().notNull(),
      progress: integer('progress_permille').notNull(),
      step: text('step'),
      options: text('options', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
      /** See `src/core/build-key.ts`. */
      key: text('build_key').notNull(),
      treeHash: text('tree_hash').notNull(),
      /** Hash of the dependency lock: first the one that the build was given, in the end the one that it used. */
      lockHash: text('lock_hash'),
      checkpointId: text('checkpoint_id'),
      cached: integer('cached', { mode: 'boolean' }).notNull(),
      attempt: integer('attempt').notNull(),
      /** Counts the BuildRun's changes of state; a projection that arrives late does not overwrite a newer one. */
      seq: integer('seq').notNull(),
      errorCode: text('error_code'),
      errorMessage: text('error_message'),
      /** Downloads and reports; site files are in the manifest in R2. */
      artifacts: text('artifacts', { mode: 'json' })
        .$type<{ name: string; size: number; sha256: string; mimeType: string }[]>()
        .notNull(),
      /** The build whose site and artifacts these are: itself, or the one that a cached build repeats. */
      outputOf: text('output_of'),
      /** Of site, downloads and reports, each content once; null of what made nothing, and before migration 0010 until the sweep has counted it. */
      outputBytes: integer('output_bytes'),
      timings: text('timings', { mode: 'json' }).$type<Record<string, number>>().notNull(),
      createdAt: time('created_at').notNull(),
      startedAt: time('started_at'),
      completedAt: time('completed_at'),
    },
    (table) => [
      index('builds_project').on(table.projectId, table.id),
      index('builds_key').on(table.projectId, table.key, table.status),
      index('builds_user').on(table.userId, table.status),
      index('builds_user_created').on(table.userId, table.createdAt),
      index('builds_status').on(table.status, table.createdAt),
    ],
  );

  const publications = table(
    'publications',
    {
      slug: text('slug').primaryKey(),
      projectId: text('project_id').notNull(),
      buildId: text('build_id').notNull(),
      access: text('access').$type<'public' | 'link'>().notNull().default('public'),
      /** Sent with the headers that shared memory needs. */
      crossOriginIsolated: integer('cross_origin_isolated', { mode: 'boolean' }).notNull().default(sql`0`),
      createdBy: text('created_by').notNull(),
      /** Since when the project is published without a break. */
      createdAt: time('created_at').notNull(),
      updatedAt: time('updated_at').notNull(),
    },
    (table) => [uniqueIndex('publications_project').on(table.projectId), index('publications_build').on(table.buildId)],
  );

  /**
   * Whose a slug is, also after it was given up: browsers of its players keep what that origin stored, so it must not
   * become another project's.
   */
  const slugs = table(
    'slugs',
    {
      slug: text('slug').primaryKey(),
      /** Null once its project was erased: it is nobody's, for good. */
      projectId: text('project_id'),
      createdAt: time('created_at').notNull(),
    },
    (table) => [index('slugs_project').on(table.projectId)],
  );

  const templates = table(
    'templates',
    {
      id: id(),
      slug: text('slug').notNull(),
      name: text('name').notNull(),
      description: text('description').notNull(),
      tags: text('tags', { mode: 'json' }).$type<string[]>().notNull(),
      author: text('author').notNull(),
      authorId: text('author_id'),
      version: text('version').notNull(),
      /** Hash of the thumbnail's bytes in the blob store. */
      thumbnailHash: text('thumbnail_hash'),
      treeHash: text('tree_hash').notNull(),
      fileCount: integer('file_count').notNull(),
      totalSize: integer('total_size').notNull(),
      createdAt: time('created_at').notNull(),
      updatedAt: time('updated_at').notNull(),
    },
    (table) => [uniqueIndex('templates_slug').on(table.slug)],
  );

  const plugins = table(
    'plugins',
    {
      id: id(),
      slug: text('slug').notNull(),
      name: text('name').notNull(),
      description: text('description').notNull(),
      keywords: text('keywords', { mode: 'json' }).$type<string[]>().notNull(),
      authorId: text('author_id').notNull(),
      createdAt: time('created_at').notNull(),
      updatedAt: time('updated_at').notNull(),
    },
    (table) => [uniqueIndex('plugins_slug').on(table.slug)],
  );

  const pluginVersions = table(
    'plugin_versions',
    {
      pluginId: text('plugin_id').notNull(),
      version: text('version').notNull(),
      manifest: text('manifest', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
      integrity: text('integrity').notNull(),
      treeHash: text('tree_hash').notNull(),
      size: integer('size').notNull(),
      yankedAt: time('yanked_at'),
      createdAt: time('created_at').notNull(),
    },
    (table) => [primaryKey({ columns: [table.pluginId, table.version] })],
  );

  const projectPlugins = table(
    'project_plugins',
    {
      projectId: text('project_id').notNull(),
      pluginId: text('plugin_id').notNull(),
      version: text('version').notNull(),
      /** The range that was asked for; null for a dependency of another plugin. */
      requested: text('requested'),
      integrity: text('integrity').notNull(),
      installedBy: text('installed_by').notNull(),
      installedAt: time('installed_at').notNull(),
    },
    (table) => [
      primaryKey({ columns: [table.projectId, table.pluginId] }),
      index('project_plugins_plugin').on(table.pluginId),
    ],
  );

  const auditLog = table(
    'audit_log',
    {
      id: id(),
      at: time('at').notNull(),
      actorId: text('actor_id'),
      projectId: text('project_id'),
      action: text('action').notNull(),
      /** What it was done to, as `user:<id>` or `build:<id>`. */
      subject: text('subject'),
      data: text('data', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
      requestId: text('request_id'),
    },
    (table) => [
      index('audit_log_project').on(table.projectId, table.id),
      index('audit_log_actor').on(table.actorId, table.id),
    ],
  );

  /** Messages that were promised in the same transaction as the row they speak of. */
  const outbox = table(
    'outbox',
    {
      id: id(),
      queue: text('queue').notNull(),
      body: text('body', { mode: 'json' }).$type<unknown>().notNull(),
      createdAt: time('created_at').notNull(),
      claimedUntil: time('claimed_until').notNull(),
      attempts: integer('attempts').notNull(),
    },
    (table) => [index('outbox_claim').on(table.claimedUntil)],
  );

  const idempotencyKeys = table(
    'idempotency_keys',
    {
      userId: text('user_id').notNull(),
      /** As the header says it; of a step, that and the step's name. */
      key: text('key').notNull(),
      /** Of method, path and body. */
      requestHash: text('request_hash').notNull(),
      /** Null while the first request is still running. */
      status: integer('status'),
      /** The answer; until there is one, which request holds the key. Of a step: what came of it. */
      body: text('body'),
      /** When the key was claimed, or its holder last said that it runs. */
      createdAt: time('created_at').notNull(),
    },
    (table) => [
      primaryKey({ columns: [table.userId, table.key] }),
      index('idempotency_keys_created').on(table.createdAt),
    ],
  );

  return {
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
    assetMarks,
    assetSpans,
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
  };
}
