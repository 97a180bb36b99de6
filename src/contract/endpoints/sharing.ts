import { endpoint } from '../endpoint.ts';
import { AddCollaborator, CollaboratorEnvelope, CollaboratorList, UpdateCollaborator } from '../projects.ts';
import { project } from './access.ts';

/** Who may work on a project. */
export const sharingEndpoints = {
  listCollaborators: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/collaborators',
    tag: 'Sharing',
    summary: 'Members of a project',
    access: project('members.read'),
    responses: { 200: { description: 'The members, owner first', json: CollaboratorList } },
  }),
  addCollaborator: endpoint({
    method: 'POST',
    path: '/api/projects/{id}/collaborators',
    tag: 'Sharing',
    summary: 'Add a member',
    access: project('project.manage'),
    body: AddCollaborator,
    responses: { 201: { description: 'Added', json: CollaboratorEnvelope } },
    errors: ['not_found', 'already_member', 'quota_exceeded'],
  }),
  updateCollaborator: endpoint({
    method: 'PUT',
    path: '/api/projects/{id}/collaborators/{userId}',
    tag: 'Sharing',
    summary: "Change a member's role",
    access: project('project.manage'),
    body: UpdateCollaborator,
    responses: { 200: { description: 'Changed', json: CollaboratorEnvelope } },
    errors: ['owner_required'],
  }),
  removeCollaborator: endpoint({
    method: 'DELETE',
    path: '/api/projects/{id}/collaborators/{userId}',
    tag: 'Sharing',
    summary: 'Remove a member, or leave',
    access: project('members.leave'),
    description: 'A member may remove themself; an owner may remove anyone but the owner.',
    responses: { 204: { description: 'Removed' } },
    errors: ['owner_required'],
  }),
} as const;
