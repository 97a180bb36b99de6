import * as oauth from 'oauth4webapi';
import * as z from 'zod';
import type { Config } from '../../core/config.ts';
import { type Adapter, answerOf, type RequestOptions } from './adapter.ts';

const Profile = z.object({ id: z.int().positive(), login: z.string(), name: z.string().nullish() });
const Emails = z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() }));

/** GitHub speaks OAuth without OpenID: who it is, its API says. */
export function github({ clientId, clientSecret, url, apiUrl }: NonNullable<Config['oauth']['github']>): Adapter {
  const client = { client_id: clientId };
  const ask = async <S extends z.ZodType>(
    path: string,
    schema: S,
    token: string,
    options: RequestOptions,
  ): Promise<z.output<S>> => {
    const headers = new Headers({
      accept: 'application/vnd.github+json',
      'user-agent': 'kiln',
      'x-github-api-version': '2022-11-28',
    });
    const request = { ...options, signal: options.signal() };
    const answer = await answerOf(
      oauth.protectedResourceRequest(token, 'GET', new URL(`${apiUrl}${path}`), headers, null, request),
    );
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return schema.parse(await answer.json());
  };
  return {
    name: 'GitHub',
    scope: 'read:user user:email',
    client,
    secret: clientSecret,
    server: () =>
      Promise.resolve({
        issuer: `${url}/login/oauth`,
        authorization_endpoint: `${url}/login/oauth/authorize`,
        token_endpoint: `${url}/login/oauth/access_token`,
      }),
    prove: async (server, answer, _nonce, options) => {
      const { access_token: token } = await oauth.processAuthorizationCodeResponse(server, client, answer);
      const profile = await ask('/user', Profile, token, options);
      const emails = await ask('/user/emails', Emails, token, options);
      const email =
        emails.find(({ primary, verified }) => primary && verified) ?? emails.find(({ primary }) => primary);
      return {
        provider: 'github',
        // Logins are given up and taken by others; the number stays.
        subject: String(profile.id),
        email: email?.email ?? null,
        emailVerified: email?.verified ?? false,
        login: profile.login,
        displayName: profile.name ?? profile.login,
      };
    },
  };
}
