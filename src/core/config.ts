import { getDomain } from 'tldts';
import * as z from 'zod';

/** Keys that `npm run dev` generates carry this mark, so that production refuses them. */
export const developmentKeyPrefix = 'dev-';

const PrivateJwk = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  kid: z.string().min(1),
  x: z.string(),
  d: z.string(),
});

/** JSON in a string, of a shape. */
const jsonText = <S extends z.ZodType>(schema: S) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: 'custom', message: 'is not valid JSON' });
        return z.NEVER;
      }
    })
    .pipe(schema);

/** Registrable domain by the public suffix list, private suffixes such as workers.dev included; the whole host where there is none. */
const siteOf = (url: string): string => getDomain(url, { allowPrivateDomains: true }) ?? new URL(url).hostname;

/** Left out or empty, it is not set. */
const Setting = z.string().default('');
/** A base URL without a trailing slash. */
const Base = z.url({ protocol: /^https?$/ }).refine((url) => !url.endsWith('/'), 'must have no trailing slash');

const Environment = z
  .object({
    KILN_ENV: z.enum(['development', 'staging', 'production']),
    /** Scheme, host and port of the app, no trailing slash: issuer of tokens, base of links. */
    APP_ORIGIN: z
      .url({ protocol: /^https?$/ })
      .refine(
        (url) => URL.canParse(url) && new URL(url).origin === url,
        'must be an origin without path or trailing slash',
      ),
    /** Host (with port) below which every build has a host of its own. Another registrable domain than the app's in production. */
    CONTENT_HOST: z.string().regex(/^[a-z0-9.-]+(?::\d+)?$/),
    /** Base URLs of runners, comma-separated; absent where the container binding is used. */
    RUNNER_URL: z
      .string()
      .default('')
      .transform((text) =>
        text
          .split(',')
          .map((url) => url.trim())
          .filter(Boolean),
      )
      .pipe(z.array(z.url({ protocol: /^https?$/ }))),
    /** `push`: jobs are posted to a runner. `pull`: they go into the queue BUILD_PULL_QUEUE, from which runners fetch them. */
    BUILD_DELIVERY: z.enum(['push', 'pull']).default('push'),
    /** Ed25519 private keys as JWKs; the first signs, all verify. Secret. */
    AUTH_KEYS: jsonText(z.array(PrivateJwk).min(1)),
    /** More origins that may open sockets and call with cookies, comma-separated. */
    ALLOWED_ORIGINS: z.string().default(''),
    /** Sender of mails; `kiln@<host of the app>` unless said. */
    MAIL_FROM: z.email().optional(),
    /** Both of a provider or none. The secrets are secret. */
    OAUTH_GITHUB_CLIENT_ID: Setting,
    OAUTH_GITHUB_CLIENT_SECRET: Setting,
    /** Where GitHub is: an Enterprise server has hosts of its own. */
    OAUTH_GITHUB_URL: Base.default('https://github.com'),
    OAUTH_GITHUB_API_URL: Base.default('https://api.github.com'),
    OAUTH_GOOGLE_CLIENT_ID: Setting,
    OAUTH_GOOGLE_CLIENT_SECRET: Setting,
    /** Any OpenID provider whose discovery document is below this. */
    OAUTH_GOOGLE_ISSUER: Base.default('https://accounts.google.com'),
    /** All of them or none: then parts of uploads go straight into the bucket of ASSETS, by its S3 API. The keys are secret. */
    S3_ENDPOINT: Base.or(z.literal('')).default(''),
    S3_BUCKET: Setting,
    S3_ACCESS_KEY_ID: Setting,
    S3_SECRET_ACCESS_KEY: Setting,
    /** What rates per user and per address are multiplied by; for machines where one address is many people. */
    RATE_LIMIT_SCALE: z.coerce.number().int().min(1).max(1000).default(1),
  })
  .superRefine((env, context) => {
    for (const provider of ['GITHUB', 'GOOGLE'] as const)
      if (!env[`OAUTH_${provider}_CLIENT_ID`] !== !env[`OAUTH_${provider}_CLIENT_SECRET`])
        context.addIssue({
          code: 'custom',
          path: [`OAUTH_${provider}_CLIENT_ID`],
          message: `and OAUTH_${provider}_CLIENT_SECRET are set together`,
        });
    const s3 = ['S3_ENDPOINT', 'S3_BUCKET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const;
    if (new Set(s3.map((name) => env[name] === '')).size > 1)
      context.addIssue({
        code: 'custom',
        path: ['S3_ENDPOINT'],
        message: `and ${s3.slice(1).join(', ')} are set together`,
      });
    if (env.KILN_ENV === 'development') return;
    if (env.S3_ENDPOINT !== '' && !env.S3_ENDPOINT.startsWith('https://'))
      context.addIssue({ code: 'custom', path: ['S3_ENDPOINT'], message: 'must be https outside development' });
    for (const name of ['OAUTH_GITHUB_URL', 'OAUTH_GITHUB_API_URL', 'OAUTH_GOOGLE_ISSUER'] as const)
      if (!env[name].startsWith('https://'))
        context.addIssue({ code: 'custom', path: [name], message: 'must be https outside development' });
    if (!env.APP_ORIGIN.startsWith('https://'))
      context.addIssue({ code: 'custom', path: ['APP_ORIGIN'], message: 'must be https outside development' });
    if (env.AUTH_KEYS.some((key) => key.kid.startsWith(developmentKeyPrefix)))
      context.addIssue({ code: 'custom', path: ['AUTH_KEYS'], message: 'is a development key' });
    if (siteOf(env.APP_ORIGIN) === siteOf(`https://${env.CONTENT_HOST}`))
      context.addIssue({
        code: 'custom',
        path: ['CONTENT_HOST'],
        message: "must be on another registrable domain than the app's outside development",
      });
  });

export interface Config {
  readonly environment: 'development' | 'staging' | 'production';
  readonly appOrigin: string;
  readonly contentHost: string;
  readonly contentScheme: 'http' | 'https';
  /** Runners that jobs are posted to, at their base URLs; none where containers build. */
  readonly runnerUrls: readonly string[];
  readonly buildDelivery: 'push' | 'pull';
  readonly authKeys: readonly z.infer<typeof PrivateJwk>[];
  readonly allowedOrigins: ReadonlySet<string>;
  readonly mailFrom: string;
  /** Providers that are set up, by name. */
  readonly oauth: {
    readonly github?: OAuthClient & { readonly url: string; readonly apiUrl: string };
    readonly google?: OAuthClient & { readonly issuer: string };
  };
  /** The S3 API of the bucket that the binding ASSETS is; null where uploads go through the Worker. */
  readonly s3: S3 | null;
  readonly rateScale: number;
}

export interface S3 {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface OAuthClient {
  readonly clientId: string;
  readonly clientSecret: string;
}

function oauthOf(data: z.infer<typeof Environment>): Config['oauth'] {
  return {
    ...(data.OAUTH_GITHUB_CLIENT_ID && {
      github: {
        clientId: data.OAUTH_GITHUB_CLIENT_ID,
        clientSecret: data.OAUTH_GITHUB_CLIENT_SECRET,
        url: data.OAUTH_GITHUB_URL,
        apiUrl: data.OAUTH_GITHUB_API_URL,
      },
    }),
    ...(data.OAUTH_GOOGLE_CLIENT_ID && {
      google: {
        clientId: data.OAUTH_GOOGLE_CLIENT_ID,
        clientSecret: data.OAUTH_GOOGLE_CLIENT_SECRET,
        issuer: data.OAUTH_GOOGLE_ISSUER,
      },
    }),
  };
}

/** Parses the environment, or throws one error that names every wrong variable and no value. */
export function parseConfig(env: Readonly<Record<string, unknown>>): Config {
  const parsed = Environment.safeParse(env);
  if (!parsed.success)
    throw new Error(
      `Kiln cannot start: ${parsed.error.issues.map((issue) => `${issue.path.join('.') || 'configuration'} ${issue.message}`).join('; ')}`,
    );
  const { data } = parsed;
  return {
    environment: data.KILN_ENV,
    appOrigin: data.APP_ORIGIN,
    contentHost: data.CONTENT_HOST,
    contentScheme: data.APP_ORIGIN.startsWith('https:') ? 'https' : 'http',
    runnerUrls: data.RUNNER_URL,
    buildDelivery: data.BUILD_DELIVERY,
    authKeys: data.AUTH_KEYS,
    allowedOrigins: new Set([
      data.APP_ORIGIN,
      ...data.ALLOWED_ORIGINS.split(',')
        .map((origin) => origin.trim())
        .filter(Boolean),
    ]),
    mailFrom: data.MAIL_FROM ?? `kiln@${new URL(data.APP_ORIGIN).hostname}`,
    oauth: oauthOf(data),
    s3:
      data.S3_ENDPOINT === ''
        ? null
        : {
            endpoint: data.S3_ENDPOINT,
            bucket: data.S3_BUCKET,
            accessKeyId: data.S3_ACCESS_KEY_ID,
            secretAccessKey: data.S3_SECRET_ACCESS_KEY,
          },
    rateScale: data.RATE_LIMIT_SCALE,
  };
}

const parsed = new WeakMap<object, Config>();

/** The configuration of an environment, parsed once per isolate. Throws like `parseConfig`. */
export function configOf(env: object): Config {
  let config = parsed.get(env);
  if (!config) {
    config = parseConfig(env as Record<string, unknown>);
    parsed.set(env, config);
  }
  return config;
}
