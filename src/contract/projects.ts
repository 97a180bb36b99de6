import * as z from 'zod';
import { nextCursor, pageQuery, queryBoolean } from './common.ts';
import { Id, Timestamp } from './ids.ts';
import { limits } from './limits.ts';
import { Email, Username } from './users.ts';

/** What a member may be. The owner is one by `ownerId`, not by a row that could be edited. */
export const Role = z.enum(['owner', 'editor', 'viewer']);
export type Role = z.infer<typeof Role>;

/** How the caller sees a project: a member's role, or `public` for a signed-in reader of a public one. */
export const Access = z.enum(['owner', 'editor', 'viewer', 'public']);
export type Access = z.infer<typeof Access>;

export const Settings = z
  .record(z.string().max(limits.project.settingKeyMax), z.json())
  .refine(
    (value) => JSON.stringify(value).length <= limits.project.settingsBytes,
    `at most ${limits.project.settingsBytes} bytes as JSON`,
  );

export const Project = z
  .object({
    id: Id,
    name: z.string(),
    description: z.string(),
    ownerId: Id,
    isPublic: z.boolean(),
    thumbnailUrl: z.string().nullable(),
    settings: z.record(z.string(), z.json()),
    role: Access.meta({ description: "The caller's" }),
    fileCount: z.int(),
    totalSize: z.int(),
    forkedFrom: Id.nullable().meta({ description: 'The project that this is a fork of' }),
    forkedCheckpointId: Id.nullable().meta({ description: 'Its state that the fork left from' }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    deletedAt: Timestamp.nullable(),
  })
  .meta({ id: 'Project' });
export type Project = z.infer<typeof Project>;

export const ProjectName = z.string().trim().min(1).max(limits.project.nameMax);
export const ProjectDescription = z.string().max(limits.project.descriptionMax);

export const CreateProject = z.strictObject({
  name: ProjectName,
  description: ProjectDescription.optional(),
  isPublic: z.boolean().optional(),
  settings: Settings.optional(),
  templateId: z
    .string()
    .min(1)
    .max(limits.project.templateMax)
    .optional()
    .meta({ description: 'Id or slug of a template' }),
});

export const UpdateProject = z.strictObject({
  name: ProjectName.optional(),
  description: ProjectDescription.optional(),
  isPublic: z.boolean().optional(),
  settings: Settings.optional(),
});
export type UpdateProject = z.infer<typeof UpdateProject>;

export const DuplicateProject = z.strictObject({
  name: ProjectName.optional(),
  fork: z.boolean().default(false).meta({ description: 'Remember where it came from, so that the two can be merged' }),
});

export const FromTemplate = z.strictObject({ name: ProjectName });

export const ProjectQuery = z.object({
  ...pageQuery,
  q: z.string().max(limits.http.searchMax).optional(),
  role: Role.optional(),
  sort: z.enum(['updatedAt', 'name', 'createdAt']).default('updatedAt'),
  trashed: queryBoolean.default(false),
});
export type ProjectQuery = z.infer<typeof ProjectQuery>;

export const DeleteProjectQuery = z.object({ permanent: queryBoolean.default(false) });

export const ProjectEnvelope = z.object({ project: Project });
export const ProjectList = z.object({ projects: z.array(Project), nextCursor });

export const Collaborator = z
  .object({
    userId: Id,
    username: z.string(),
    displayName: z.string(),
    avatarUrl: z.string().nullable(),
    role: Role,
    addedAt: Timestamp,
  })
  .meta({ id: 'Collaborator' });
export type Collaborator = z.infer<typeof Collaborator>;

/** What somebody can be made. */
export const MemberRole = z.enum(['editor', 'viewer']);

export const AddCollaborator = z
  .strictObject({ userId: Id.optional(), email: Email.optional(), username: Username.optional(), role: MemberRole })
  .refine(
    (body) => [body.userId, body.email, body.username].filter((value) => value !== undefined).length === 1,
    'exactly one of userId, email, username',
  );
export type AddCollaborator = z.infer<typeof AddCollaborator>;

export const UpdateCollaborator = z.strictObject({ role: MemberRole });
export const CollaboratorEnvelope = z.object({ collaborator: Collaborator });
export const CollaboratorList = z.object({ collaborators: z.array(Collaborator), nextCursor });
