import { endpoint } from '../endpoint.ts';
import { LoginBody, RefreshBody, RegisterBody, Session, UpdateMeBody, UserEnvelope } from '../users.ts';
import { everyone, signedIn } from './access.ts';

/** Accounts and sessions. */
export const authEndpoints = {
  register: endpoint({
    method: 'POST',
    path: '/api/auth/register',
    tag: 'Authentication',
    summary: 'Create an account',
    access: everyone,
    body: RegisterBody,
    responses: { 201: { description: 'Signed in', json: Session } },
    errors: ['email_taken', 'username_taken'],
  }),
  login: endpoint({
    method: 'POST',
    path: '/api/auth/login',
    tag: 'Authentication',
    summary: 'Sign in with email and password',
    access: everyone,
    body: LoginBody,
    responses: { 200: { description: 'Signed in', json: Session } },
    errors: ['invalid_credentials'],
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
  getMe: endpoint({
    method: 'GET',
    path: '/api/auth/me',
    tag: 'Authentication',
    summary: 'The signed-in user',
    access: signedIn,
    responses: { 200: { description: 'The user', json: UserEnvelope } },
  }),
  updateMe: endpoint({
    method: 'PATCH',
    path: '/api/auth/me',
    tag: 'Authentication',
    summary: 'Change the own profile',
    access: signedIn,
    body: UpdateMeBody,
    responses: { 200: { description: 'The user', json: UserEnvelope } },
    errors: ['username_taken'],
  }),
} as const;
