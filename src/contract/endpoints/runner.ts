import { endpoint } from '../endpoint.ts';
import {
  DsseEnvelope,
  EventAnswer,
  EventBatch,
  JobManifest,
  JobStart,
  ProvenanceRequest,
  StartedJob,
} from '../jobs.ts';
import { runner } from './access.ts';

/** What the build runner calls, with the token of its job. */
export const runnerEndpoints = {
  runnerStart: endpoint({
    method: 'POST',
    path: '/api/runner/builds/{id}/start',
    tag: 'Runner',
    summary: 'Begin an attempt that was pulled from the queue',
    access: runner,
    description:
      'Answers the job, and starts its lease. 409: the attempt is over, or another runner has begun it. The same `execution` may ask again.',
    body: JobStart,
    responses: { 200: { description: 'The job', json: StartedJob } },
    errors: ['conflict'],
  }),
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
  runnerProvenance: endpoint({
    method: 'POST',
    path: '/api/runner/builds/{id}/provenance',
    tag: 'Runner',
    summary: 'Have the origin of the results signed',
    access: runner,
    description:
      'Answers a DSSE envelope around an in-toto statement with SLSA provenance, signed with a key of `/.well-known/jwks.json`.',
    body: ProvenanceRequest,
    responses: { 200: { description: 'The signed statement', json: DsseEnvelope } },
    errors: ['conflict'],
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
} as const;
