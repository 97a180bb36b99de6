import { endpoint } from '../endpoint.ts';
import { CreatePlayLink, MaybePublication, PlayLink, PublicationEnvelope, PublishBuild } from '../publications.ts';
import { build, project } from './access.ts';

/** The build of a project that is shown to the world under a name. */
export const publicationEndpoints = {
  publishBuild: endpoint({
    method: 'POST',
    path: '/api/builds/{id}/publish',
    tag: 'Publications',
    summary: 'Show a build at a slug',
    access: build('project.publish'),
    description:
      'A project has one publication. Publishing again moves it, build and slug at once; settings that are left out stay. ' +
      'The published game is public, also where the project is not, unless `access` is `link`.',
    body: PublishBuild,
    responses: { 200: { description: 'What is published now', json: PublicationEnvelope } },
    errors: ['slug_taken', 'not_publishable', 'quota_exceeded'],
  }),
  getPublication: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/publication',
    tag: 'Publications',
    summary: 'What is published of a project',
    access: project('build.read'),
    responses: { 200: { description: 'The publication; null where there is none', json: MaybePublication } },
  }),
  unpublish: endpoint({
    method: 'DELETE',
    path: '/api/projects/{id}/publication',
    tag: 'Publications',
    summary: 'End the publication of a project',
    access: project('project.publish'),
    description: 'The slug stays the project’s own. Idempotent.',
    responses: { 204: { description: 'Nothing is published' } },
  }),
  createPlayLink: endpoint({
    method: 'POST',
    path: '/api/projects/{id}/publication/links',
    tag: 'Publications',
    summary: 'A signed link to a game that is not public',
    access: project('project.publish'),
    description: 'Works until it expires or the publication ends, whichever is first.',
    body: CreatePlayLink,
    responses: { 201: { description: 'The link', json: PlayLink } },
    errors: ['conflict'],
  }),
} as const;
