import { type ImportProgress, importArchive } from '../../../src/client/index.ts';
import type { Project } from '../../../src/contract/projects.ts';
import { saveBlob } from './save.ts';
import { client } from './session.ts';

/** What the server calls the file (RFC 8187). */
const fileName = (answer: Response): string => {
  const encoded = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get('content-disposition') ?? '')?.[1];
  return encoded === undefined ? 'project.zip' : decodeURIComponent(encoded);
};

/** Saves a project as a zip. A link could not carry the access token, so the bytes come here first. */
export const downloadProject = async (project: Pick<Project, 'id'>): Promise<void> => {
  const answer = await client.raw('exportProject', { params: { id: project.id } });
  saveBlob(await answer.blob(), fileName(answer));
};

/** Makes a project of a zip. */
export const importProject = async (
  file: File,
  options: {
    name: string;
    key: string;
    signal: AbortSignal;
    onProgress: (progress: ImportProgress) => void;
    onInterrupted: () => void;
  },
) =>
  importArchive(client, {
    file,
    name: options.name || undefined,
    idempotencyKey: options.key,
    signal: options.signal,
    onProgress: options.onProgress,
    onInterrupted: options.onInterrupted,
  });
