import { endpoint } from '../endpoint.ts';
import {
  FileContentEnvelope,
  FileEnvelope,
  FileList,
  FileListQuery,
  FileReadQuery,
  Tree,
  WriteFile,
} from '../files.ts';
import { SearchQuery, SearchResults } from '../search.ts';
import { project } from './access.ts';

/** The working tree of a project. */
export const fileEndpoints = {
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
  searchFiles: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/search',
    tag: 'Files',
    summary: 'Find text in all files',
    access: project('project.read'),
    description:
      'Line by line, in everything that is text, with live edits that are not saved yet. A search that reaches a limit (of matches, of matches in one file, of time, of a pattern on a very long line) answers what it has with `truncated`; name fewer files with `path` to see more.',
    query: SearchQuery,
    responses: { 200: { description: 'The matches', json: SearchResults } },
    errors: ['rate_limited'],
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
    errors: ['invalid_path', 'precondition_failed', 'range_not_satisfiable'],
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
} as const;
