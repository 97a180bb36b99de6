import { CreateArchiveUpload, ImportQuery, ImportResult, ImportUpload } from '../archives.ts';
import { UploadEnvelope } from '../assets.ts';
import { endpoint } from '../endpoint.ts';
import { project, userWith } from './access.ts';

/** Projects as zip archives. */
export const archiveEndpoints = {
  exportProject: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/export',
    tag: 'Projects',
    summary: 'The whole project as a zip archive',
    access: project('project.read'),
    description:
      'Streamed. Includes live edits that are not saved yet. `kiln.json` holds name, description and settings; the same project is the same bytes.',
    responses: {
      200: { description: 'The archive', contentType: 'application/zip' },
      304: { description: 'Not changed' },
    },
  }),
  importProject: endpoint({
    method: 'POST',
    path: '/api/projects/import',
    tag: 'Projects',
    summary: 'Create a project from a zip archive',
    access: userWith('projects:write'),
    idempotent: 'streamed',
    description:
      'At most 100 MiB as a body; of an upload that was begun for it, by `{uploadId}` as JSON, at most 1 GiB. An upload becomes one project: whoever asks again gets the first answer. An export gives the same tree, description and settings again. Of other archives one folder around everything is taken off, and `.git/`, `node_modules/`, `__MACOSX/`, `.DS_Store` and `Thumbs.db` are passed over. All of it is imported or nothing.',
    query: ImportQuery,
    body: ImportUpload,
    rawBody: true,
    rawTypes: ['application/zip', 'multipart/form-data', 'application/x-zip-compressed', 'application/octet-stream'],
    responses: { 201: { description: 'Created', json: ImportResult } },
    errors: [
      'invalid_archive',
      'invalid_entry',
      'malformed_request',
      'quota_exceeded',
      'request_timeout',
      'unsupported_media_type',
      'not_found',
      'conflict',
    ],
  }),
  createArchiveUpload: endpoint({
    method: 'POST',
    path: '/api/projects/import/uploads',
    tag: 'Projects',
    summary: 'Begin an upload in parts of a zip archive',
    access: userWith('projects:write'),
    idempotent: true,
    description:
      'For more than one request takes. PUT each part to its signed address, in any order and as often as needed, then import the upload. `GET` and `DELETE /api/assets/uploads/{id}` say which parts have arrived and give it up. What is not imported after a day is removed. With the `hash` of an upload of the same name and size that you have open, that one is answered, with the parts that have arrived.',
    body: CreateArchiveUpload,
    responses: {
      200: { description: 'Taken up again', json: UploadEnvelope },
      201: { description: 'Begun', json: UploadEnvelope },
    },
    errors: ['quota_exceeded'],
  }),
} as const;
