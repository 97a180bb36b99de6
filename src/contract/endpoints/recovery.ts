import { endpoint } from '../endpoint.ts';
import { ForgotPasswordBody, ResetPasswordBody, VerifyEmailBody } from '../oauth.ts';
import { everyone, signedIn } from './access.ts';

/** What goes by mail. */
export const recoveryEndpoints = {
  requestVerification: endpoint({
    method: 'POST',
    path: '/api/auth/email/verification',
    tag: 'Authentication',
    summary: 'Send the mail of verification again',
    access: signedIn,
    description: 'A verified account gets none. The newest link alone works.',
    responses: { 202: { description: 'It will be sent' } },
    errors: ['rate_limited'],
  }),
  verifyEmail: endpoint({
    method: 'POST',
    path: '/api/auth/email/verify',
    tag: 'Authentication',
    summary: 'Verify an address by the token from the mail',
    access: everyone,
    body: VerifyEmailBody,
    responses: { 204: { description: 'Verified' } },
    errors: ['link_invalid'],
  }),
  forgotPassword: endpoint({
    method: 'POST',
    path: '/api/auth/password/forgot',
    tag: 'Authentication',
    summary: 'Ask for a link that sets a new password',
    access: everyone,
    description:
      'The answer is the same whether there is an account or not. The newest link alone works, once, for an hour.',
    body: ForgotPasswordBody,
    responses: { 202: { description: 'If there is an account, a mail will be sent' } },
    errors: ['rate_limited'],
  }),
  resetPassword: endpoint({
    method: 'POST',
    path: '/api/auth/password/reset',
    tag: 'Authentication',
    summary: 'Set a new password by the token from the mail',
    access: everyone,
    description: 'Ends every session of the account, and verifies its address.',
    body: ResetPasswordBody,
    responses: { 204: { description: 'Set; sign in with it' } },
    errors: ['link_invalid'],
  }),
} as const;
