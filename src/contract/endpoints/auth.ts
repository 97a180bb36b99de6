import { endpoint } from '../endpoint.ts';
import { LoginBody, RefreshBody, RegisterBody, Session } from '../users.ts';
import { everyone } from './access.ts';

/** Signing up, in and out. */
export const authEndpoints = {
  register: endpoint({
    method: 'POST',
    path: '/api/auth/register',
    tag: 'Authentication',
    summary: 'Create an account',
    access: everyone,
    body: RegisterBody,
    responses: { 201: { description: 'Signed in', json: Session } },
    errors: ['email_taken', 'username_taken', 'rate_limited'],
  }),
  login: endpoint({
    method: 'POST',
    path: '/api/auth/login',
    tag: 'Authentication',
    summary: 'Sign in with email and password',
    access: everyone,
    body: LoginBody,
    responses: { 200: { description: 'Signed in', json: Session } },
    description: 'Undoes a deletion of the account that is still in its grace.',
    errors: ['invalid_credentials', 'account_disabled', 'rate_limited'],
  }),
  refresh: endpoint({
    method: 'POST',
    path: '/api/auth/refresh',
    tag: 'Authentication',
    summary: 'Rotate the refresh token',
    access: everyone,
    description: 'The token comes in the body or in the cookie. Using one twice revokes the whole session.',
    body: RefreshBody,
    responses: { 200: { description: 'Signed in', json: Session } },
    errors: ['refresh_token_invalid', 'refresh_token_reused'],
  }),
  logout: endpoint({
    method: 'POST',
    path: '/api/auth/logout',
    tag: 'Authentication',
    summary: 'Revoke this session',
    access: everyone,
    description: 'Names the session by the access token, or by the refresh token in the body or cookie.',
    body: RefreshBody,
    responses: { 204: { description: 'Revoked' } },
    errors: ['unauthenticated'],
  }),
} as const;
