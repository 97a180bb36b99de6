import { z } from 'zod';
import { ArtifactList, BuildEnvelope, BuildList, BuildLogs, BuildStatus, BuildTarget, CreateBuild } from './builds.ts';
import { pageQuery } from './common.ts';
import { endpoint } from './endpoint.ts';
import { FileContentEnvelope, FileEnvelope, FileList, FileListQuery, FileReadQuery, Tree, WriteFile } from './files.ts';
import { EventAnswer, EventBatch, JobManifest } from './jobs.ts';
import { BackupList, JobEnvelope, StartGc, StartRestore } from './maintenance.ts';
import {
  AddCollaborator,
  CollaboratorEnvelope,
  CollaboratorList,
  CreateProject,
  DeleteProjectQuery,
  FromTemplate,
  ProjectEnvelope,
  ProjectList,
  ProjectQuery,
  UpdateCollaborator,
  UpdateProject,
} from './projects.ts';
import { EventList, EventQuery, PresenceList, Ticket } from './room.ts';
import { Health, Readiness } from './system.ts';
import { TemplateDetail, TemplateList, TemplateQuery } from './templates.ts';
import { LoginBody, RefreshBody, RegisterBody, Session, UpdateMeBody, UserEnvelope } from './users.ts';

const everyone = { kind: 'public' } as const;
const signedIn = { kind: 'user' } as const;
const project = (
  right:
    | 'project.read'
    | 'project.join'
    | 'project.write'
    | 'project.manage'
    | 'members.read'
    | 'members.leave'
    | 'build.read',
) => ({ kind: 'project', right }) as const;
const build = (right: 'build.read' | 'build.create' | 'build.cancel') => ({ kind: 'build', right }) as const;
const runner = { kind: 'runner' } as const;
const operator = { kind: 'system' } as const;

/** Every HTTP endpoint of Kiln. The router, the OpenAPI document, the gate and the typed client are made from this. */
export const endpoints = {
  // Authentication
  register: endpoint({
    method: 'POST',
    path: '/api/auth/register',
    tag: 'Authentication',
    summary: 'Create an account',
    access: everyone,
    body: RegisterBody,
    responses: { 201: { description: 'Signed in', json: Session } },
    errors: ['email_taken', 'username_taken'],
  }),
  login: endpoint({
    method: 'POST',
    path: '/api/auth/login',
    tag: 'Authentication',
    summary: 'Sign in with email and password',
    access: everyone,
    body: LoginBody,
    responses: { 200: { description: 'Signed in', json: Session } },
    errors: ['invalid_credentials'],
  }),
  refresh: endpoint({
    method: 'POST',
    path: '/api/auth/refresh',
    tag: 'Authentication',
    summary: 'Rotate the refresh token',
    access: everyone,
    description: 'The token comes in the body or in the cookie. Using one twice revokes the whole session.',
    body: RefreshBody,
    responses: { 200: { description: 'Signed in', json: Session } },
    errors: ['refresh_token_invalid', 'refresh_token_reused'],
  }),
  logout: endpoint({
    method: 'POST',
    path: '/api/auth/logout',
    tag: 'Authentication',
    summary: 'Revoke this session',
    access: everyone,
    description: 'Names the session by the access token, or by the refresh token in the body or cookie.',
    body: RefreshBody,
    responses: { 204: { description: 'Revoked' } },
    errors: ['unauthenticated'],
  }),
  getMe: endpoint({
    method: 'GET',
    path: '/api/auth/me',
    tag: 'Authentication',
    summary: 'The signed-in user',
    access: signedIn,
    responses: { 200: { description: 'The user', json: UserEnvelope } },
  }),
  updateMe: endpoint({
    method: 'PATCH',
    path: '/api/auth/me',
    tag: 'Authentication',
    summary: 'Change the own profile',
    access: signedIn,
    body: UpdateMeBody,
    responses: { 200: { description: 'The user', json: UserEnvelope } },
    errors: ['username_taken'],
  }),

  // Projects
  createProject: endpoint({
    method: 'POST',
    path: '/api/projects',
    tag: 'Projects',
    summary: 'Create a project',
    access: signedIn,
    idempotent: true,
    body: CreateProject,
    responses: { 201: { description: 'Created', json: ProjectEnvelope } },
    errors: ['not_found'],
  }),
  listProjects: endpoint({
    method: 'GET',
    path: '/api/projects',
    tag: 'Projects',
    summary: 'Own and shared projects',
    access: signedIn,
    query: ProjectQuery,
    responses: { 200: { description: 'One page', json: ProjectList } },
  }),
  createFromTemplate: endpoint({
    method: 'POST',
    path: '/api/projects/from-template/{templateId}',
    tag: 'Projects',
    summary: 'Create a project from a template',
    access: signedIn,
    idempotent: true,
    description: '`templateId` is the id or the slug of a template.',
    body: FromTemplate,
    responses: { 201: { description: 'Created', json: ProjectEnvelope } },
    errors: ['not_found'],
  }),
  getProject: endpoint({
    method: 'GET',
    path: '/api/projects/{id}',
    tag: 'Projects',
    summary: 'One project',
    access: project('project.read'),
    responses: { 200: { description: 'The project', json: ProjectEnvelope }, 304: { description: 'Not changed' } },
  }),
  replaceProject: endpoint({
    method: 'PUT',
    path: '/api/projects/{id}',
    tag: 'Projects',
    summary: 'Change a project',
    access: project('project.manage'),
    body: UpdateProject,
    responses: { 200: { description: 'The project', json: ProjectEnvelope } },
    errors: ['precondition_failed'],
  }),
  updateProject: endpoint({
    method: 'PATCH',
    path: '/api/projects/{id}',
    tag: 'Projects',
    summary: 'Change a project',
    access: project('project.manage'),
    body: UpdateProject,
    responses: { 200: { description: 'The project', json: ProjectEnvelope } },
    errors: ['precondition_failed'],
  }),
  restoreProject: endpoint({
    method: 'POST',
    path: '/api/projects/{id}/restore',
    tag: 'Projects',
    summary: 'Out of the trash',
    access: project('project.manage'),
    responses: { 200: { description: 'The project', json: ProjectEnvelope } },
  }),
  deleteProject: endpoint({
    method: 'DELETE',
    path: '/api/projects/{id}',
    tag: 'Projects',
    summary: 'Move a project to the trash, or erase it',
    access: project('project.manage'),
    query: DeleteProjectQuery,
    responses: { 204: { description: 'Done' } },
  }),

  // Collaborators
  listCollaborators: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/collaborators',
    tag: 'Sharing',
    summary: 'Members of a project',
    access: project('members.read'),
    responses: { 200: { description: 'The members, owner first', json: CollaboratorList } },
  }),
  addCollaborator: endpoint({
    method: 'POST',
    path: '/api/projects/{id}/collaborators',
    tag: 'Sharing',
    summary: 'Add a member',
    access: project('project.manage'),
    body: AddCollaborator,
    responses: { 201: { description: 'Added', json: CollaboratorEnvelope } },
    errors: ['not_found', 'already_member', 'quota_exceeded'],
  }),
  updateCollaborator: endpoint({
    method: 'PUT',
    path: '/api/projects/{id}/collaborators/{userId}',
    tag: 'Sharing',
    summary: "Change a member's role",
    access: project('project.manage'),
    body: UpdateCollaborator,
    responses: { 200: { description: 'Changed', json: CollaboratorEnvelope } },
    errors: ['owner_required'],
  }),
  removeCollaborator: endpoint({
    method: 'DELETE',
    path: '/api/projects/{id}/collaborators/{userId}',
    tag: 'Sharing',
    summary: 'Remove a member, or leave',
    access: project('members.leave'),
    description: 'A member may remove themself; an owner may remove anyone but the owner.',
    responses: { 204: { description: 'Removed' } },
    errors: ['owner_required'],
  }),

  // Files
  listFiles: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/files',
    tag: 'Files',
    summary: 'All files, sorted by path',
    access: project('project.read'),
    query: FileListQuery,
    responses: { 200: { description: 'The files', json: FileList } },
  }),
  getTree: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/tree',
    tag: 'Files',
    summary: 'The nested tree and its hash',
    access: project('project.read'),
    responses: { 200: { description: 'The tree', json: Tree }, 304: { description: 'Not changed' } },
  }),
  getFile: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/files/{path}',
    catchAll: true,
    tag: 'Files',
    summary: 'Read a file',
    access: project('project.read'),
    description:
      'JSON; with `?raw=1` or `Accept: application/octet-stream` the bytes, with Range. Includes live edits that are not saved yet.',
    query: FileReadQuery,
    responses: {
      200: { description: 'The file', json: FileContentEnvelope },
      206: { description: 'A range of the bytes' },
      304: { description: 'Not changed' },
    },
    errors: ['invalid_path', 'range_not_satisfiable'],
  }),
  putFile: endpoint({
    method: 'PUT',
    path: '/api/projects/{id}/files/{path}',
    catchAll: true,
    tag: 'Files',
    summary: 'Create or replace a file',
    access: project('project.write'),
    description:
      'Into a file that is open in the room it merges as a minimal text diff: cursors and concurrent edits survive.',
    body: WriteFile,
    rawBody: true,
    responses: {
      200: { description: 'Updated', json: FileEnvelope },
      201: { description: 'Created', json: FileEnvelope },
    },
    errors: ['invalid_path', 'path_conflict', 'precondition_failed', 'quota_exceeded'],
  }),
  createFile: endpoint({
    method: 'POST',
    path: '/api/projects/{id}/files/{path}',
    catchAll: true,
    tag: 'Files',
    summary: 'Create a file',
    access: project('project.write'),
    body: WriteFile,
    rawBody: true,
    responses: { 201: { description: 'Created', json: FileEnvelope } },
    errors: ['invalid_path', 'path_conflict', 'file_exists', 'quota_exceeded'],
  }),
  deleteFile: endpoint({
    method: 'DELETE',
    path: '/api/projects/{id}/files/{path}',
    catchAll: true,
    tag: 'Files',
    summary: 'Delete a file',
    access: project('project.write'),
    responses: { 204: { description: 'Deleted' } },
    errors: ['invalid_path', 'precondition_failed'],
  }),

  // Collaboration
  createTicket: endpoint({
    method: 'POST',
    path: '/api/projects/{id}/room/ticket',
    tag: 'Collaboration',
    summary: 'A ticket for one socket of the room',
    access: project('project.join'),
    description: 'Then connect to `/api/projects/{id}/room` or `/api/projects/{id}/docs/{path}` with `?ticket=`.',
    responses: { 200: { description: 'The ticket', json: Ticket } },
  }),
  getPresence: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/presence',
    tag: 'Collaboration',
    summary: 'Who is in the room',
    access: project('project.join'),
    responses: { 200: { description: 'Users', json: PresenceList } },
  }),
  listEvents: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/events',
    tag: 'Collaboration',
    summary: 'Events after a sequence number',
    access: project('project.join'),
    query: EventQuery,
    responses: { 200: { description: 'Events', json: EventList } },
  }),

  // Builds
  createBuild: endpoint({
    method: 'POST',
    path: '/api/builds',
    tag: 'Builds',
    summary: 'Build a project',
    access: { kind: 'body-project', right: 'build.create' },
    idempotent: true,
    body: CreateBuild,
    responses: {
      200: { description: 'The same was built before', json: BuildEnvelope },
      202: { description: 'Queued', json: BuildEnvelope },
    },
    errors: ['quota_exceeded'],
  }),
  getBuild: endpoint({
    method: 'GET',
    path: '/api/builds/{id}',
    tag: 'Builds',
    summary: 'One build',
    access: build('build.read'),
    responses: { 200: { description: 'The build', json: BuildEnvelope } },
  }),
  listBuilds: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/builds',
    tag: 'Builds',
    summary: "A project's builds, newest first",
    access: project('build.read'),
    query: z.object({ ...pageQuery, status: BuildStatus.optional(), target: BuildTarget.optional() }),
    responses: { 200: { description: 'One page', json: BuildList } },
  }),
  getBuildLogs: endpoint({
    method: 'GET',
    path: '/api/builds/{id}/logs',
    tag: 'Builds',
    summary: 'The log of a build',
    access: build('build.read'),
    description:
      'JSON; with `Accept: text/event-stream` events `log`, `status` and `done`, resumable by `Last-Event-ID`.',
    responses: { 200: { description: 'The log so far', json: BuildLogs } },
  }),
  listArtifacts: endpoint({
    method: 'GET',
    path: '/api/builds/{id}/artifacts',
    tag: 'Builds',
    summary: 'What a build made',
    access: build('build.read'),
    responses: { 200: { description: 'Artifacts', json: ArtifactList } },
  }),
  getArtifact: endpoint({
    method: 'GET',
    path: '/api/builds/{id}/artifacts/{name}',
    tag: 'Builds',
    summary: 'The bytes of an artifact',
    access: build('build.read'),
    responses: {
      200: { description: 'The bytes', contentType: 'application/octet-stream' },
      206: { description: 'A range of the bytes' },
      304: { description: 'Not changed' },
    },
    errors: ['range_not_satisfiable'],
  }),
  deleteBuild: endpoint({
    method: 'DELETE',
    path: '/api/builds/{id}',
    tag: 'Builds',
    summary: 'Cancel a running build, remove an ended one',
    access: build('build.cancel'),
    responses: { 204: { description: 'Done' } },
  }),
  retryBuild: endpoint({
    method: 'POST',
    path: '/api/builds/{id}/retry',
    tag: 'Builds',
    summary: 'Build the same snapshot again',
    access: build('build.create'),
    responses: { 202: { description: 'Queued', json: BuildEnvelope } },
    errors: ['conflict'],
  }),

  // Templates
  listTemplates: endpoint({
    method: 'GET',
    path: '/api/templates',
    tag: 'Templates',
    summary: 'Templates to start from',
    access: everyone,
    query: TemplateQuery,
    responses: { 200: { description: 'One page', json: TemplateList } },
  }),
  getTemplate: endpoint({
    method: 'GET',
    path: '/api/templates/{id}',
    tag: 'Templates',
    summary: 'One template and its files',
    access: everyone,
    responses: { 200: { description: 'The template', json: TemplateDetail } },
  }),
  getTemplateThumbnail: endpoint({
    method: 'GET',
    path: '/api/templates/{id}/thumbnail',
    tag: 'Templates',
    summary: 'The picture of a template',
    access: everyone,
    responses: { 200: { description: 'SVG', contentType: 'image/svg+xml' } },
  }),

  // What the build runner calls, with the token of its job
  runnerManifest: endpoint({
    method: 'GET',
    path: '/api/runner/builds/{id}/manifest',
    tag: 'Runner',
    summary: 'The snapshot to build',
    access: runner,
    responses: { 200: { description: 'The manifest', json: JobManifest } },
  }),
  runnerBlob: endpoint({
    method: 'GET',
    path: '/api/runner/builds/{id}/blobs/{hash}',
    tag: 'Runner',
    summary: 'A file of the snapshot',
    access: runner,
    responses: { 200: { description: 'The bytes', contentType: 'application/octet-stream' } },
  }),
  runnerOutput: endpoint({
    method: 'PUT',
    path: '/api/runner/builds/{id}/outputs/{hash}',
    tag: 'Runner',
    summary: 'Store a file of the result',
    access: runner,
    rawBody: true,
    description: 'Raw bytes, verified against the hash in the path.',
    responses: { 200: { description: 'Was there already' }, 201: { description: 'Stored' } },
  }),
  runnerEvents: endpoint({
    method: 'POST',
    path: '/api/runner/builds/{id}/events',
    tag: 'Runner',
    summary: 'Report log, progress and outcome',
    access: runner,
    body: EventBatch,
    responses: { 200: { description: 'Taken', json: EventAnswer } },
    errors: ['conflict'],
  }),

  // System
  health: endpoint({
    method: 'GET',
    path: '/health',
    tag: 'System',
    summary: 'The process answers',
    access: everyone,
    responses: { 200: { description: 'Alive', json: Health } },
  }),
  readiness: endpoint({
    method: 'GET',
    path: '/health/ready',
    tag: 'System',
    summary: 'Every part answers',
    access: everyone,
    responses: {
      200: { description: 'Ready', json: Readiness },
      503: { description: 'A part is away', json: Readiness },
    },
  }),
  jwks: endpoint({
    method: 'GET',
    path: '/.well-known/jwks.json',
    tag: 'System',
    summary: 'Public keys of every token',
    access: everyone,
    responses: {
      200: { description: 'JWK set', json: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }) },
    },
  }),

  // What the operator's commands call, with a token signed by the deployment's keys
  startBackup: endpoint({
    method: 'POST',
    path: '/api/system/backups',
    tag: 'Maintenance',
    summary: 'Back everything up now',
    access: operator,
    description: 'One job runs at a time; a backup that is running already is answered.',
    responses: { 202: { description: 'Started', json: JobEnvelope } },
    errors: ['conflict'],
  }),
  listBackups: endpoint({
    method: 'GET',
    path: '/api/system/backups',
    tag: 'Maintenance',
    summary: 'Backups that can be restored, newest first',
    access: operator,
    responses: { 200: { description: 'The backups', json: BackupList } },
  }),
  startRestore: endpoint({
    method: 'POST',
    path: '/api/system/restore',
    tag: 'Maintenance',
    summary: 'Restore a backup',
    access: operator,
    description: 'Into a system without users and projects, or with `force` over what is there.',
    body: StartRestore,
    responses: { 202: { description: 'Started', json: JobEnvelope } },
    errors: ['not_found', 'conflict'],
  }),
  startGc: endpoint({
    method: 'POST',
    path: '/api/system/gc',
    tag: 'Maintenance',
    summary: 'Collect objects that nothing refers to',
    access: operator,
    body: StartGc,
    responses: { 202: { description: 'Started', json: JobEnvelope } },
    errors: ['conflict'],
  }),
  getJob: endpoint({
    method: 'GET',
    path: '/api/system/jobs/{id}',
    tag: 'Maintenance',
    summary: 'How a backup, restore or collection goes, and its report',
    access: operator,
    responses: { 200: { description: 'The job', json: JobEnvelope } },
    errors: ['not_found'],
  }),
} as const;

export type EndpointName = keyof typeof endpoints;
