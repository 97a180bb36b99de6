import { endpoint } from '../endpoint.ts';
import { EventList, EventQuery, PresenceList, Ticket } from '../room.ts';
import { project } from './access.ts';

/** What stands beside the sockets of a room. */
export const collaborationEndpoints = {
  createTicket: endpoint({
    method: 'POST',
    path: '/api/projects/{id}/room/ticket',
    tag: 'Collaboration',
    summary: 'A ticket for one socket of the room',
    access: project('project.join'),
    description: 'Then connect to `/api/projects/{id}/room` or `/api/projects/{id}/docs/{path}` with `?ticket=`.',
    responses: { 200: { description: 'The ticket', json: Ticket } },
  }),
  getPresence: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/presence',
    tag: 'Collaboration',
    summary: 'Who is in the room',
    access: project('project.join'),
    responses: { 200: { description: 'Users', json: PresenceList } },
  }),
  listEvents: endpoint({
    method: 'GET',
    path: '/api/projects/{id}/events',
    tag: 'Collaboration',
    summary: 'Events after a sequence number',
    access: project('project.join'),
    query: EventQuery,
    responses: { 200: { description: 'Events', json: EventList } },
  }),
} as const;
