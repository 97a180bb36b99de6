import * as z from 'zod';
import { Id, Timestamp } from './ids.ts';
import { limits } from './limits.ts';

/**
 * Labels below the content host that no game gets: those that the platform uses there or may come to use, those that
 * programs and mail look for by themselves, and those that people would take for the platform's own word.
 */
export const reservedLabels: ReadonlySet<string> = new Set([
  // The platform's own.
  ...['cdn', 'preview', 'play', 'build', 'builds', 'asset', 'assets', 'static', 'files', 'uploads', 'content', 'kiln'],
  ...['www', 'api', 'app', 'web', 'ws', 'docs', 'status', 'health', 'metrics', 'dev', 'test', 'staging', 'internal'],
  // Looked for by mail, name servers and programs (RFC 2142, RFC 6186, RFC 6763, WPAD, ISATAP).
  ...['mail', 'email', 'smtp', 'imap', 'pop', 'pop3', 'mx', 'ns', 'ns1', 'ns2', 'ns3', 'ns4', 'dns', 'ftp', 'ssh'],
  ...['autoconfig', 'autodiscover', 'wpad', 'isatap', 'localhost', 'localdomain', 'local', 'broadcasthost'],
  // Taken for the platform speaking.
  ...['admin', 'administrator', 'root', 'abuse', 'security', 'postmaster', 'hostmaster', 'webmaster', 'noreply'],
  ...['auth', 'oauth', 'login', 'signin', 'signup', 'register', 'account', 'accounts', 'password', 'billing', 'pay'],
  ...['support', 'help', 'official', 'legal', 'privacy', 'terms', 'about', 'blog', 'news', 'store', 'shop'],
]);

/** The label of a project's preview starts so; no slug does. */
export const previewPrefix = 'preview-';

const uuid = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/;

/** A label below the content host, chosen by people: no other name of an origin can be mistaken for it. */
export const Slug = z
  .string()
  .max(limits.publication.slugMax)
  .regex(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/, 'lower-case letters, digits and hyphens, no hyphen at the ends')
  // Labels with hyphens at the third and fourth place are encodings of others (RFC 5891 §4.2.3.1).
  .refine((slug) => slug.slice(2, 4) !== '--', 'must not have hyphens at the third and fourth place')
  .refine((slug) => !uuid.test(slug), 'must not look like an id: builds live there')
  .refine((slug) => !reservedLabels.has(slug) && !slug.startsWith(previewPrefix), 'is reserved')
  .meta({ id: 'Slug', description: 'A DNS label: https://<slug>.<content host>/', example: 'star-catcher' });

export const PublicationAccess = z
  .enum(['public', 'link'])
  .meta({ description: '`public`: anybody. `link`: whoever has a signed link that has not expired' });
export type PublicationAccess = z.infer<typeof PublicationAccess>;

export const Publication = z
  .object({
    slug: z.string(),
    url: z.string().meta({ description: 'Origin of its own, with a slash at the end' }),
    projectId: Id,
    buildId: Id,
    access: PublicationAccess,
    crossOriginIsolated: z
      .boolean()
      .meta({ description: 'Sent with COOP `same-origin` and COEP `require-corp`: shared memory and threads work' }),
    createdBy: Id,
    createdAt: Timestamp.meta({ description: 'Since when the project is published without a break' }),
    updatedAt: Timestamp,
  })
  .meta({ id: 'Publication' });
export type Publication = z.infer<typeof Publication>;

export const PublishBuild = z.strictObject({
  slug: Slug.optional().meta({
    description: 'Else the one that the project has; else one made of its name, with a suffix where that is taken',
  }),
  access: PublicationAccess.optional().meta({ description: 'Else as it is; `public` at first' }),
  crossOriginIsolated: z.boolean().optional().meta({ description: 'Else as it is; false at first' }),
});
export type PublishBuild = z.infer<typeof PublishBuild>;

export const PublicationEnvelope = z.object({ publication: Publication });
export const MaybePublication = z.object({ publication: Publication.nullable() });

export const CreatePlayLink = z.strictObject({
  expiresIn: z
    .int()
    .min(limits.publication.linkTtlMin / 1000)
    .max(limits.publication.linkTtlMax / 1000)
    .default(limits.publication.linkTtl / 1000)
    .meta({ description: 'Seconds' }),
});

export const PlayLink = z
  .object({
    url: z.string().meta({ description: 'Opens the game in the browser that follows it' }),
    expiresAt: Timestamp,
  })
  .meta({ id: 'PlayLink' });
