import { KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import type { Project } from '../contract/projects.ts';
import { audit } from '../data/audit.ts';
import type { ManifestEntry } from '../data/objects.ts';
import { createProject, markReady, toProject } from '../data/projects.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { projectRoom } from '../durable-objects/stubs.ts';
import type { AppContext } from './http/context.ts';
import { continentHint } from './http/location.ts';

export interface NewProjectInput {
  readonly name: string;
  readonly description?: string | undefined;
  readonly isPublic?: boolean | undefined;
  readonly settings?: Record<string, unknown> | undefined;
  readonly templateId?: string | null | undefined;
  /** Its first tree; every blob that it names is stored. */
  readonly entries: readonly ManifestEntry[];
  /** Where it came from, for the audit log. */
  readonly origin: Record<string, unknown>;
}

/**
 * A project with its first tree: row `creating` → tree in the room → row `ready`. A crash in between
 * leaves a row that nobody sees and that the sweep removes.
 */
export async function newProject(c: AppContext, ownerId: string, input: NewProjectInput): Promise<Project> {
  const { db } = c.var;
  // Not the time of the request: what was imported may have been on its way for longer than the sweep waits.
  const now = Date.now();
  const id = newId();
  c.var.fields.project = id;
  await createProject(db, {
    id,
    ownerId,
    name: input.name,
    description: input.description ?? '',
    isPublic: input.isPublic ?? false,
    settings: input.settings ?? {},
    templateId: input.templateId ?? null,
    now,
  });
  const tree = await unwrap(projectRoom(c.env, id, continentHint(c)).adopt(input.entries, ownerId));
  const row = await markReady(db, id, tree);
  if (!row) throw new KilnError('unavailable', { detail: 'The project could not be finished.' });
  await audit(db, {
    actorId: ownerId,
    projectId: id,
    action: 'project.created',
    data: input.origin,
    requestId: c.var.requestId,
    now,
  });
  return toProject(row, 'owner');
}
