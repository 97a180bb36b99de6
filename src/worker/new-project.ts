import type { Checkpoint } from '../contract/checkpoints.ts';
import type { CarriedComment } from '../contract/comments.ts';
import { KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import type { Project } from '../contract/projects.ts';
import { adoptAssets, type NewAsset } from '../data/assets.ts';
import type { ManifestEntry } from '../data/objects.ts';
import { createProject, markReady, toProject } from '../data/projects.ts';
import type { HotText } from '../durable-objects/room/contents.ts';
import { unwrap } from '../durable-objects/rpc.ts';
import { projectRoom } from '../durable-objects/stubs.ts';
import { onAdopted } from './assets/commented.ts';
import { type AppContext, actorOf } from './http/context.ts';
import { continentHint } from './http/location.ts';

export interface NewProjectInput {
  readonly name: string;
  readonly description?: string | undefined;
  readonly isPublic?: boolean | undefined;
  readonly settings?: Record<string, unknown> | undefined;
  readonly templateId?: string | null | undefined;
  /** Its first tree; every blob that it names is stored, or among `texts`. */
  readonly entries: readonly ManifestEntry[];
  /** Of those, texts that are in no blob store yet. */
  readonly texts?: readonly HotText[] | undefined;
  /** Its assets, whose bytes are stored. */
  readonly assets?: readonly NewAsset[] | undefined;
  readonly comments?: readonly CarriedComment[] | undefined;
  /** The project that it is a fork of, as of that checkpoint. */
  readonly fork?: { readonly projectId: string; readonly checkpoint: Checkpoint } | undefined;
  /** Where it came from, for the audit log. */
  readonly origin: Record<string, unknown>;
}

/**
 * A project with its first tree: row `creating` → tree in the room → row `ready`. A crash in between
 * leaves a row that nobody sees and that the sweep removes. What it returns is the body of the 201 that answers
 * the request: the project and `more`, kept for who asks again in the moment in which the project is there.
 */
export async function newProject<T extends object>(
  c: AppContext,
  ownerId: string,
  input: NewProjectInput,
  more: T,
): Promise<{ project: Project } & T> {
  const { db, claimed } = c.var;
  // Not the time of the request: what was imported may have been on its way for longer than the sweep waits.
  const now = Date.now();
  const id = newId();
  c.var.fields.project = id;
  const row = await createProject(db, {
    id,
    ownerId,
    name: input.name,
    description: input.description ?? '',
    isPublic: input.isPublic ?? false,
    settings: input.settings ?? {},
    templateId: input.templateId ?? null,
    forkedFrom: input.fork?.projectId ?? null,
    forkedCheckpoint: input.fork?.checkpoint.id ?? null,
    now,
  });
  await adoptAssets(db, id, input.assets ?? [], { ...actorOf(c, ownerId), now });
  const { fork } = input;
  const tree = await unwrap(
    projectRoom(c.env, id, continentHint(c)).adopt(
      input.entries,
      ownerId,
      input.texts ?? [],
      fork && { projectId: fork.projectId, treeHash: fork.checkpoint.treeHash },
      input.comments && (await onAdopted(db, id, input.comments)),
    ),
  );
  const { fileCount, totalSize, treeHash } = tree;
  const answer = { project: toProject({ ...row, fileCount, totalSize }, 'owner'), ...more };
  const { keys } = claimed;
  const kept = { keys, body: JSON.stringify(answer) };
  if (!(await markReady(db, id, { fileCount, totalSize, treeHash }, actorOf(c, ownerId), input.origin, kept)))
    throw new KilnError('unavailable', { detail: 'The project could not be finished.' });
  claimed.answered = true;
  return answer;
}
