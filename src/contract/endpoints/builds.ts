import * as z from 'zod';
import {
  ArtifactList,
  BuildEnvelope,
  BuildList,
  BuildLogs,
  BuildStatus,
  BuildTarget,
  CleanBuilds,
  CleanedBuilds,
  CreateBuild,
} from '../builds.ts';
import { pageQuery } from '../common.ts';
import { endpoint } from '../endpoint.ts';
import { bodyProject, build, project } from './access.ts';

/** Builds and their artifacts. */
export const buildEndpoints = {
  createBuild: endpoint({
    method: 'POST',
    path: '/api/builds',
    tag: 'Builds',
    summary: 'Build a project',
    access: bodyProject('build.create'),
    rate: 'build',
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
  cleanBuilds: endpoint({
    method: 'POST',
    path: '/api/projects/{id}/builds/cleanup',
    tag: 'Builds',
    summary: 'Remove old builds, or say what would go',
    access: project('project.manage'),
    description:
      'For good. Without a body: what the daily removal would take by now. Published builds stay. Only a report, unless `dryRun` is false.',
    body: CleanBuilds,
    responses: { 200: { description: 'What went, or would go', json: CleanedBuilds } },
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
    errors: ['precondition_failed', 'range_not_satisfiable'],
  }),
  deleteBuild: endpoint({
    method: 'DELETE',
    path: '/api/builds/{id}',
    tag: 'Builds',
    summary: 'Cancel a running build, remove an ended one',
    description: 'One that ended while it was to be cancelled is not removed: 409.',
    access: build('build.cancel'),
    responses: { 204: { description: 'Done' } },
    errors: ['build_published', 'conflict'],
  }),
  retryBuild: endpoint({
    method: 'POST',
    path: '/api/builds/{id}/retry',
    tag: 'Builds',
    summary: 'Build the same snapshot again',
    access: build('build.create'),
    description:
      'Of a failed or cancelled build. It becomes the build of whoever asks, as `userId` says, and is counted for them.',
    rate: 'build',
    responses: { 202: { description: 'Queued', json: BuildEnvelope } },
    errors: ['conflict', 'quota_exceeded'],
  }),
} as const;
