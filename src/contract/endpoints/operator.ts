import { OperatorAccount, OperatorAccountBody } from '../accounts.ts';
import { endpoint } from '../endpoint.ts';
import { BackupList, JobEnvelope, StartGc, StartRestore } from '../maintenance.ts';
import { operator } from './access.ts';

/** What the operator's commands call, with a token signed by the deployment's keys. */
export const operatorEndpoints = {
  startBackup: endpoint({
    method: 'POST',
    path: '/api/system/backups',
    tag: 'Maintenance',
    summary: 'Back everything up now',
    access: operator,
    description: 'One job runs at a time; a backup that is running already is answered.',
    responses: { 202: { description: 'Started', json: JobEnvelope } },
    errors: ['conflict'],
  }),
  listBackups: endpoint({
    method: 'GET',
    path: '/api/system/backups',
    tag: 'Maintenance',
    summary: 'Backups that can be restored, newest first',
    access: operator,
    responses: { 200: { description: 'The backups', json: BackupList } },
  }),
  startRestore: endpoint({
    method: 'POST',
    path: '/api/system/restore',
    tag: 'Maintenance',
    summary: 'Restore a backup',
    access: operator,
    description: 'Into a system without users and projects, or with `force` over what is there.',
    body: StartRestore,
    responses: { 202: { description: 'Started', json: JobEnvelope } },
    errors: ['not_found', 'conflict'],
  }),
  startGc: endpoint({
    method: 'POST',
    path: '/api/system/gc',
    tag: 'Maintenance',
    summary: 'Collect objects that nothing refers to',
    access: operator,
    body: StartGc,
    responses: { 202: { description: 'Started', json: JobEnvelope } },
    errors: ['conflict'],
  }),
  getJob: endpoint({
    method: 'GET',
    path: '/api/system/jobs/{id}',
    tag: 'Maintenance',
    summary: 'How a backup, restore or collection goes, and its report',
    access: operator,
    responses: { 200: { description: 'The job', json: JobEnvelope } },
    errors: ['not_found'],
  }),
  disableAccount: endpoint({
    method: 'POST',
    path: '/api/system/accounts/disable',
    tag: 'Maintenance',
    summary: 'Disable an account',
    access: operator,
    description: 'Its sessions, keys, sockets and running builds end within five seconds. Nothing is deleted.',
    body: OperatorAccountBody,
    responses: { 200: { description: 'The account', json: OperatorAccount } },
    errors: ['not_found'],
  }),
  enableAccount: endpoint({
    method: 'POST',
    path: '/api/system/accounts/enable',
    tag: 'Maintenance',
    summary: 'Let a disabled account in again',
    access: operator,
    body: OperatorAccountBody,
    responses: { 200: { description: 'The account', json: OperatorAccount } },
    errors: ['not_found'],
  }),
} as const;
