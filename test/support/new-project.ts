import { newId } from '../../src/contract/ids.ts';
import type { NewProject } from '../../src/data/projects.ts';

/** A project of nobody's template and nobody's fork, to be put into the database past the API. */
export const newProject = (ownerId: string, name: string, now: number): NewProject => ({
  id: newId(),
  ownerId,
  name,
  description: '',
  isPublic: false,
  settings: {},
  templateId: null,
  forkedFrom: null,
  forkedCheckpoint: null,
  now,
});
