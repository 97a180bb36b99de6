import { Hono } from 'hono';
import { endpoints } from '../contract/endpoints.ts';
import { KilnError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { type Config, configOf } from '../core/config.ts';
import { assetLabel } from '../core/links.ts';
import { describeError, logEvent } from '../core/log.ts';
import { boundedEnv } from '../data/bounded.ts';
import { type Freshness, openDatabase } from '../data/open.ts';
import { serveAsset } from './cdn.ts';
import { contentLabel, serveContent } from './content/serve.ts';
import { docsPages } from './docs.ts';
import type { AppContext, AppEnv } from './http/context.ts';
import { allowForeignPage, preflight } from './http/cors.ts';
import { problemResponse } from './http/problem.ts';
import { logRefusal } from './http/security-log.ts';
import { accountRoutes } from './routes/account.ts';
import { accountsRoutes } from './routes/accounts.ts';
import { activityRoutes } from './routes/activity.ts';
import { apiKeyRoutes } from './routes/api-keys.ts';
import { archiveRoutes } from './routes/archives.ts';
import { assetRoutes } from './routes/assets.ts';
import { authRoutes } from './routes/auth.ts';
import { batchRoutes } from './routes/batch.ts';
import { buildRoutes } from './routes/builds.ts';
import { collaborationRoutes } from './routes/collaboration.ts';
import { collaboratorRoutes } from './routes/collaborators.ts';
import { commentRoutes } from './routes/comments.ts';
import { fileRoutes } from './routes/files.ts';
import { historyRoutes } from './routes/history.ts';
import { inviteRoutes } from './routes/invites.ts';
import { mailboxPage } from './routes/mailbox.ts';
import { maintenanceRoutes } from './routes/maintenance.ts';
import { oauthRoutes } from './routes/oauth.ts';
import { previewRoutes } from './routes/previews.ts';
import { projectRoutes } from './routes/projects.ts';
import { publicationRoutes } from './routes/publications.ts';
import { recoveryRoutes } from './routes/recovery.ts';
import { runnerRoutes } from './routes/runner.ts';
import { searchRoutes } from './routes/search.ts';
import { systemRoutes } from './routes/system.ts';
import { templateRoutes } from './routes/templates.ts';
import { uploadRoutes } from './routes/uploads.ts';
import { isSocketRequest, openSocket } from './sockets.ts';

/** The path as it was sent: a router that decodes escapes would authorise one path and use another. */
function rawPath(request: Request): string {
  const start = request.url.indexOf('/', request.url.indexOf('://') + 3);
  const end = request.url.slice(start).search(/[?#]/);
  return end === -1 ? request.url.slice(start) : request.url.slice(start, start + end);
}

/** A request id that a client may choose: anything harmless in a header and a log. */
const saneRequestId = /^[\w.:-]{8,100}$/;

/** The path for the log: a token of an invite, of the API or of the page, opens a project. */
const loggedPath = (path: string): string => path.replace(/^((?:\/api(?:\/v1)?\/invites|\/invite)\/)[^/]+/i, '$1…');

/** A client that sends back what it last got reads its own writes, also from a replica. */
const bookmarkHeader = 'x-kiln-bookmark';
const saneBookmark = /^[\w-]{1,200}$/;

function freshnessOf(request: Request): Freshness {
  const sent = request.headers.get(bookmarkHeader);
  const replica = request.method === 'GET' || request.method === 'HEAD';
  return { replica, bookmark: sent !== null && saneBookmark.test(sent) ? sent : undefined };
}

const apiHeaders: Readonly<Record<string, string>> = {
  'api-version': '1',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

const workspacePolicy = (c: AppContext): string => {
  const { config } = c.var;
  const content = `${config.contentScheme}://*.${config.contentHost}`;
  return [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    `img-src 'self' data: blob: ${config.contentScheme}://${assetLabel}.${config.contentHost}`,
    `media-src 'self' ${config.contentScheme}://${assetLabel}.${config.contentHost}`,
    "font-src 'self' data:",
    `connect-src 'self' ${config.appOrigin.replace(/^http/, 'ws')}${config.s3 ? ` ${new URL(config.s3.endpoint).origin}` : ''}`,
    `frame-src ${content}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "object-src 'none'",
  ].join('; ');
};

/** Files of the workspace, and its page for every other path, so that its links can be reloaded. */
async function serveWorkspace(c: AppContext): Promise<Response> {
  const asset = await c.env.WEB.fetch(c.req.raw);
  // A file that is not there must not answer with the page: a stale tab would run it as a script.
  const isFallback = (asset.headers.get('content-type') ?? '').startsWith('text/html') && /\.\w+$/.test(c.req.path);
  if (isFallback && !c.req.path.endsWith('.html')) throw new KilnError('not_found');
  const response = new Response(asset.body, asset);
  response.headers.set('content-security-policy', workspacePolicy(c));
  response.headers.set('x-content-type-options', 'nosniff');
  response.headers.set('referrer-policy', 'same-origin');
  return response;
}

/** Plain paths outside the API's and the platform's prefixes, in any case: a look-alike of a route is not a page, nor is a hidden file. */
const pagePath =
  /^\/(?!(?:api|cdn|cdn-cgi|docs|health|metrics|preview|parties)(?:\/|$))(?!__)(?:[\w~-][\w.~-]*(?:\/[\w~-][\w.~-]*)*\/?)?$/i;

/** Methods of a path, for `Allow`. */
function methodsOf(path: string): string[] {
  const plain = path.replace(/^\/api\/v1\//, '/api/');
  return Object.values(endpoints)
    .filter((endpoint) => {
      const parts = endpoint.path.split(/\{\w+\}/).map((part) => part.replaceAll('.', '\\.'));
      return new RegExp(`^${parts.join('catchAll' in endpoint ? '.+' : '[^/]+')}$`).test(plain);
    })
    .map((endpoint) => endpoint.method);
}

export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>({ getPath: rawPath });

  app.use(async (c, next) => {
    const started = Date.now();
    c.env = boundedEnv(c.env);
    const sent = c.req.header('x-request-id');
    c.set('requestId', sent !== undefined && saneRequestId.test(sent) ? sent : newId());
    c.set('config', configOf(c.env));
    c.set('db', openDatabase(c.env, freshnessOf(c.req.raw)));
    c.set('started', started);
    c.set('claimed', { keys: [], answered: false });
    c.set('fields', {});
    c.set('rate', {});
    await next();
    const { stats } = c.var.db;
    const bookmark = c.var.db.bookmark();
    c.executionCtx.waitUntil(c.var.db.close());
    logEvent('request', {
      requestId: c.var.requestId,
      method: c.req.method,
      path: loggedPath(c.req.path),
      status: c.res.status,
      ms: Date.now() - started,
      queries: stats.count,
      queryMs: Math.round(stats.total),
      slowestQuery: stats.slowestName || undefined,
      ...c.var.fields,
    });
    if (c.res.status === 101) return;
    c.res.headers.set('x-request-id', c.var.requestId);
    for (const [name, value] of Object.entries(c.get('rate') ?? {})) c.res.headers.set(name, value);
    if (bookmark !== null) c.res.headers.set(bookmarkHeader, bookmark);
  });

  app.use(async (c, next) => {
    const label = contentLabel(new URL(c.req.url).host, c.var.config.contentHost);
    if (label === assetLabel) return await serveAsset(c);
    if (label !== null) return await serveContent(c, label);
    if (isSocketRequest(c)) return await openSocket(c);
    const api = c.req.path.startsWith('/api/');
    const asked = api ? preflight(c) : null;
    if (asked) return asked;
    await next();
    if (!api) return;
    allowForeignPage(c);
    for (const [name, value] of Object.entries(apiHeaders))
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
  });

  systemRoutes(app);
  authRoutes(app);
  recoveryRoutes(app);
  oauthRoutes(app);
  mailboxPage(app);
  accountRoutes(app);
  apiKeyRoutes(app);
  projectRoutes(app);
  archiveRoutes(app);
  collaboratorRoutes(app);
  // Before the files, whose paths take everything.
  batchRoutes(app);
  inviteRoutes(app);
  activityRoutes(app);
  uploadRoutes(app);
  assetRoutes(app);
  fileRoutes(app);
  historyRoutes(app);
  searchRoutes(app);
  collaborationRoutes(app);
  commentRoutes(app);
  buildRoutes(app);
  publicationRoutes(app);
  previewRoutes(app);
  templateRoutes(app);
  runnerRoutes(app);
  maintenanceRoutes(app);
  accountsRoutes(app);
  docsPages(app);

  app.notFound(async (c) => {
    const methods = methodsOf(c.req.path);
    if (methods.length) {
      const response = problemResponse(new KilnError('method_not_allowed'), c.var.requestId, c.var.config.appOrigin);
      response.headers.set('allow', methods.join(', '));
      return response;
    }
    const isPage = (c.req.method === 'GET' || c.req.method === 'HEAD') && pagePath.test(c.req.path);
    if (isPage) return await serveWorkspace(c);
    throw new KilnError('not_found');
  });

  app.onError((error, c) => {
    if (error instanceof KilnError) {
      c.var.fields.code = error.code;
      // Without a valid configuration nobody was asked who they are.
      if (c.get('config')) logRefusal(c, error.code);
    } else
      logEvent(
        'request.failed',
        { requestId: c.var.requestId, method: c.req.method, path: loggedPath(c.req.path), ...describeError(error) },
        'error',
      );
    // Without a valid configuration there is no origin to link to; everything else is as ever.
    const config = c.get('config') as Config | undefined;
    return problemResponse(error, c.var.requestId, config?.appOrigin ?? '');
  });

  return app;
}
