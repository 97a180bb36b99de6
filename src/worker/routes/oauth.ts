import type { Hono } from 'hono';
import { endpoints } from '../../contract/endpoints.ts';
import { KilnError } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { Provider } from '../../contract/oauth.ts';
import { returnPath } from '../../core/return-path.ts';
import { linkIdentity, unlinkIdentity, waysIn } from '../../data/identities.ts';
import type { OAuthFlow } from '../../data/oauth-flows.ts';
import { confirmed } from '../auth/confirmed.ts';
import { signIn } from '../auth/sessions.ts';
import { type AppContext, type AppEnv, actorOf } from '../http/context.ts';
import { mount } from '../http/mount.ts';
import { sendSoon } from '../mail/deliver.ts';
import type { Proof } from '../oauth/adapter.ts';
import { finishFlow, startFlow } from '../oauth/flow.ts';
import { adapterOf, authorizationUrl, configuredProviders, proofOf } from '../oauth/providers.ts';
import { accountOf } from '../oauth/sign-in.ts';

/** Where the app goes on after somebody linked a provider. */
const accountPage = '/account';

/** A browser that goes somewhere, and not a program that calls. */
const isBrowser = (c: AppContext): boolean => (c.req.header('accept') ?? '').includes('text/html');

/** A page of the app, with what it should say. Never with anything that opens something. */
function pageUrl(c: AppContext, path: string, parameters: Record<string, string>): string {
  const url = new URL(path, c.var.config.appOrigin);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

async function link(c: AppContext, flow: OAuthFlow & { userId: string }, proof: Proof): Promise<void> {
  const { userId, sessionId } = flow;
  const mail = newId();
  const outcome = await linkIdentity(c.var.db, proof, { userId, sessionId: sessionId ?? '' }, actorOf(c, userId), mail);
  // The session that asked for it has ended since.
  if (outcome === 'overtaken') throw new KilnError('oauth_state_invalid');
  sendSoon(c, mail);
}

export function oauthRoutes(app: Hono<AppEnv>): void {
  mount(app, endpoints.listProviders, (c) => ({
    status: 200,
    body: { providers: configuredProviders(c.var.config) },
  }));

  mount(app, endpoints.startOAuth, async (c, { params, query }) => {
    const chosen = adapterOf(c.var.config, params.provider);
    const returnTo = returnPath(query.return, c.var.config.appOrigin);
    const flow = { provider: chosen.provider, returnTo, userId: null, sessionId: null };
    const location = await authorizationUrl(c.var.config, chosen, await startFlow(c, flow));
    return { status: 302, headers: { location } };
  });

  mount(app, endpoints.oauthCallback, async (c, { params, query }) => {
    const chosen = adapterOf(c.var.config, params.provider);
    const { provider } = chosen;
    let failed = '/sign-in';
    try {
      const { flow, secrets } = await finishFlow(c, provider, query.state);
      if (flow.userId !== null) failed = flow.returnTo;
      const proof = await proofOf(c.var.config, chosen, new URL(c.req.url).searchParams, secrets);
      if (flow.userId !== null) {
        await link(c, { ...flow, userId: flow.userId }, proof);
        return { status: 303, headers: { location: pageUrl(c, flow.returnTo, { linked: provider }) } };
      }
      await signIn(c, await accountOf(c, proof), provider);
      return { status: 303, headers: { location: pageUrl(c, '/signed-in', { return: flow.returnTo }) } };
    } catch (error) {
      if (!isBrowser(c) || !(error instanceof KilnError)) throw error;
      c.var.fields.code = error.code;
      return { status: 303, headers: { location: pageUrl(c, failed, { problem: error.code, provider }) } };
    }
  });

  mount(app, endpoints.listIdentities, async (c, { user }) => ({
    status: 200,
    body: { ...(await waysIn(c.var.db, user.userId)), nextCursor: null },
  }));

  mount(app, endpoints.linkIdentity, async (c, { params, user, body }) => {
    const chosen = adapterOf(c.var.config, params.provider);
    await confirmed(c, user, body.password);
    const { provider } = chosen;
    const { identities } = await waysIn(c.var.db, user.userId);
    if (identities.some((identity) => identity.provider === provider)) throw new KilnError('already_linked');
    const flow = { provider, returnTo: accountPage, userId: user.userId, sessionId: user.sessionId };
    return {
      status: 200,
      body: { url: await authorizationUrl(c.var.config, chosen, await startFlow(c, flow)) },
    };
  });

  mount(app, endpoints.unlinkIdentity, async (c, { params, user, body }) => {
    const provider = Provider.safeParse(params.provider);
    if (!provider.success) throw new KilnError('not_found');
    await confirmed(c, user, body.password);
    const mail = newId();
    await unlinkIdentity(c.var.db, user.userId, provider.data, actorOf(c, user.userId), mail);
    sendSoon(c, mail);
    return { status: 204 };
  });
}
