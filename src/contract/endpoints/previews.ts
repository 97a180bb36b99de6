import { endpoint } from '../endpoint.ts';
import { PreviewEnvelope } from '../preview.ts';
import { projectWith } from './access.ts';

/** The newest state of a project, playable at once. */
export const previewEndpoints = {
  previewProject: endpoint({
    method: 'POST',
    path: '/api/projects/{id}/preview',
    tag: 'Builds',
    summary: 'Bundle the newest state at the edge',
    access: projectWith('build.create', null),
    description:
      'Without queue and container: live edits included, packages not. `preview.url` shows the newest state whenever it is asked for, ' +
      'to the person who asked for it; `sourceHash` says whether that is another one than before.',
    responses: { 200: { description: 'What came of it', json: PreviewEnvelope } },
  }),
} as const;
