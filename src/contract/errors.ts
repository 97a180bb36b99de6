/**
 * The one table of errors. HTTP problems, WebSocket close codes and the page `/docs/errors` are made
 * from it, so a code that is not here cannot be answered.
 */
export interface ErrorSpec {
  /** HTTP status of the problem document. */
  readonly status: number;
  /** WebSocket close code, where the error can end a socket. */
  readonly close?: number;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;
  /** Short, stable, human. RFC 9457 `title`. */
  readonly title: string;
  /** What happened and what to do about it, for the docs page. */
  readonly help: string;
}

const spec = <const T extends Record<string, ErrorSpec>>(table: T): T => table;

export const errors = spec({
  // Requests that cannot be understood
  malformed_json: {
    status: 400,
    retryable: false,
    title: 'The body is not valid JSON',
    help: 'Send one UTF-8 JSON value, nested at most 32 levels.',
  },
  malformed_request: {
    status: 400,
    close: 1003,
    retryable: false,
    title: 'The request cannot be parsed',
    help: 'Check the URL escapes, headers and framing.',
  },
  validation_failed: {
    status: 422,
    retryable: false,
    title: 'Some fields are not valid',
    help: 'See `issues`: each names a path and what is expected there.',
  },
  invalid_path: {
    status: 422,
    retryable: false,
    title: 'That is not a valid file path',
    help: 'Paths are relative POSIX paths in NFC, at most 500 characters, without empty, "." or ".." segments, backslashes, control characters or Windows-reserved names; ".kiln/" is reserved.',
  },
  unsupported_media_type: {
    status: 415,
    retryable: false,
    title: 'That content type is not accepted here',
    help: 'Send `application/json`, or the type that the route documents.',
  },
  type_mismatch: {
    status: 422,
    retryable: false,
    title: 'The content is not what it is said to be',
    help: 'The type of an asset comes from its bytes. Give the file the extension of its format, and leave out a `type` or content type that says otherwise. Nothing was stored.',
  },
  asset_broken: {
    status: 422,
    retryable: false,
    title: 'The bytes of that asset cannot be read',
    help: 'They begin as their type does and are damaged further on, or refer to other files. Export the asset anew, a model as one GLB with everything in it. What is stored stays as it is.',
  },
  payload_too_large: {
    status: 413,
    close: 4413,
    retryable: false,
    title: 'Too large',
    help: 'The detail says the limit. Larger content goes through asset uploads.',
  },
  request_timeout: {
    status: 408,
    retryable: true,
    title: 'The body did not arrive in time',
    help: 'Nothing was changed; the detail says how long a body may take. Send it without pauses, or less at a time.',
  },
  invalid_archive: {
    status: 422,
    retryable: false,
    title: 'That archive cannot be read',
    help: 'Send one whole ZIP file, in one part and without encryption; the detail says what is wrong with it. Nothing was imported.',
  },
  invalid_entry: {
    status: 422,
    retryable: false,
    title: 'An entry of the archive cannot be imported',
    help: '`issues` names the entry and the reason: a path that leads outside or is not valid, a link or device, encryption, an unknown compression method, two names for one file, or content that is not what the archive says. Nothing was imported.',
  },
  range_not_satisfiable: {
    status: 416,
    retryable: false,
    title: 'That range is outside the content',
    help: 'Ask for a range inside the size that `Content-Range` names.',
  },
  method_not_allowed: {
    status: 405,
    retryable: false,
    title: 'That method is not allowed here',
    help: 'See `Allow` and /openapi.json.',
  },

  // Who you are
  unauthenticated: {
    status: 401,
    close: 4401,
    retryable: false,
    title: 'Sign in first',
    help: 'Send a valid access token as `Authorization: Bearer …`; get one by POST /api/auth/login or /api/auth/refresh.',
  },
  invalid_credentials: {
    status: 401,
    retryable: false,
    title: 'Email or password is wrong',
    help: 'Check both. The answer is the same for an unknown email.',
  },
  refresh_token_invalid: {
    status: 401,
    retryable: false,
    title: 'That refresh token does not work',
    help: 'It is unknown, expired or was replaced at this very moment. Sign in again, or use the token that replaced it.',
  },
  refresh_token_reused: {
    status: 401,
    retryable: false,
    title: 'That refresh token was used before',
    help: 'A used refresh token was presented again, which a thief would do: the whole session is revoked. Sign in again.',
  },
  ticket_expired: {
    status: 401,
    close: 4408,
    retryable: true,
    title: 'The ticket has expired or was used',
    help: 'Ask for a new one by POST /api/projects/:id/room/ticket; each opens one socket.',
  },
  email_taken: {
    status: 409,
    retryable: false,
    title: 'That email has an account',
    help: 'Sign in instead, or reset the password.',
  },
  username_taken: { status: 409, retryable: false, title: 'That user name is taken', help: 'Choose another one.' },
  link_invalid: {
    status: 422,
    retryable: false,
    title: 'That link does not work any more',
    help: 'It was used, has expired, or was replaced by a newer one. Ask for a new mail, and use the newest.',
  },
  provider_not_configured: {
    status: 404,
    retryable: false,
    title: 'That provider is not set up here',
    help: 'GET /api/auth/oauth lists the providers that are. Operators set them up by docs/operations/deploy.md.',
  },
  oauth_state_invalid: {
    status: 400,
    retryable: false,
    title: 'That sign-in was not started in this browser',
    help: 'It took longer than ten minutes, was finished before, or another one was started since. Start again.',
  },
  oauth_denied: {
    status: 403,
    retryable: false,
    title: 'The provider did not let you in',
    help: 'You or the provider stopped the sign-in. Start again, or sign in another way.',
  },
  oauth_failed: {
    status: 400,
    retryable: false,
    title: 'The answer of the provider cannot be trusted',
    help: 'It did not prove who you are: a code, token, issuer or signature was not what was asked for. Start again.',
  },
  email_unverified: {
    status: 403,
    retryable: false,
    title: 'The provider has not verified your email',
    help: 'Verify your address at the provider, then sign in again.',
  },
  account_exists: {
    status: 409,
    retryable: false,
    title: 'An account with that email exists',
    help: 'Sign in to it as before, then link the provider on the account page. It joins by itself only where Kiln and the provider have both verified the address.',
  },
  identity_taken: {
    status: 409,
    retryable: false,
    title: 'That provider account is linked to somebody else',
    help: 'Sign in with it, or unlink it there first.',
  },
  already_linked: {
    status: 409,
    retryable: false,
    title: 'That provider is linked already',
    help: 'An account has one sign-in of each provider. Unlink it to link another.',
  },
  last_way_in: {
    status: 409,
    retryable: false,
    title: 'That is the only way into the account',
    help: 'Set a password or link another provider first.',
  },

  account_disabled: {
    status: 403,
    close: 4423,
    retryable: false,
    title: 'This account is disabled',
    help: 'The operator of this deployment has closed it. Nothing was deleted; write to the operator.',
  },
  reauthentication_required: {
    status: 403,
    retryable: false,
    title: 'Sign in again first',
    help: 'An account without a password confirms this by a sign-in of the last minutes. Sign in again, then repeat the request.',
  },

  // What you may do
  insufficient_scope: {
    status: 403,
    retryable: false,
    title: 'This API key may not do that',
    help: 'The key lacks the scope, is bound to another project, or the route is for people alone: members, invites, rooms and accounts take no keys.',
  },
  forbidden: {
    status: 403,
    close: 4403,
    retryable: false,
    title: 'Your role does not allow that',
    help: 'Ask an owner of the project for another role.',
  },
  not_found: {
    status: 404,
    close: 4404,
    retryable: false,
    title: 'There is nothing here',
    help: 'The id is unknown, or it belongs to a private project that you are not a member of.',
  },
  invite_invalid: {
    status: 404,
    retryable: false,
    title: 'That invitation does not work',
    help: 'It is unknown, expired, used up or withdrawn, or meant for another account. Check which account you are signed in with and that its address is verified, or ask for a new one.',
  },
  already_member: { status: 409, retryable: false, title: 'Already a member', help: 'Change the role by PUT instead.' },
  owner_required: {
    status: 409,
    retryable: false,
    title: 'A project needs its owner',
    help: 'Transfer the project first.',
  },

  // State of the thing
  path_conflict: {
    status: 409,
    retryable: false,
    title: 'Another file stands in the way',
    help: 'A file differs only in letter case, or a file stands where a directory is needed (or the other way round).',
  },
  file_exists: { status: 409, retryable: false, title: 'That file exists', help: 'Use PUT to replace it.' },
  precondition_failed: {
    status: 412,
    retryable: false,
    title: 'It has changed since you read it',
    help: 'Read it again, apply your change to the new state and send its ETag in If-Match.',
  },
  idempotency_key_reused: {
    status: 422,
    retryable: false,
    title: 'That idempotency key belongs to another request',
    help: 'Use a fresh key for every distinct request.',
  },
  conflict: {
    status: 409,
    retryable: true,
    title: 'The state does not allow that now',
    help: 'The detail says which state the thing is in.',
  },
  moved: {
    status: 409,
    close: 4409,
    retryable: false,
    title: 'The file has another path now',
    help: 'The `file.moved` event of the project says where; open the document there.',
  },
  not_a_document: {
    status: 415,
    close: 4415,
    retryable: false,
    title: 'That file has no live document',
    help: 'Binary files and text over 1 MiB are not collaborative: read and write them over HTTP.',
  },

  // Limits
  rate_limited: {
    status: 429,
    close: 4429,
    retryable: true,
    title: 'Too fast',
    help: 'Wait for the seconds in `Retry-After`.',
  },
  slow_reader: {
    status: 503,
    close: 4430,
    retryable: true,
    title: 'The connection does not keep up',
    help: 'More was sent to this socket than it took in, or a question whether somebody is there was not answered. Connect again: the state is sent anew, and edits are merged.',
  },
  quota_exceeded: {
    status: 413,
    close: 4507,
    retryable: false,
    title: 'The limit is reached',
    help: 'The detail says which limit and how much is used. Remove something or ask for more.',
  },

  // Builds
  build_failed: {
    status: 422,
    retryable: false,
    title: 'The project does not build',
    help: 'Read the build log: it names file, line and column.',
  },
  entry_not_found: {
    status: 422,
    retryable: false,
    title: 'No entry point found',
    help: 'Add an index.html, or src/main.ts, or name one in options.entry.',
  },
  dependency_failed: {
    status: 422,
    retryable: false,
    title: 'A dependency could not be installed',
    help: 'Only registry packages with exact or semver versions can be used; git, file and http dependencies are refused.',
  },
  build_timeout: {
    status: 422,
    retryable: false,
    title: 'The build took too long',
    help: 'A build may take five minutes, and ten of processor time. Remove work from it, or split the project.',
  },
  build_too_large: {
    status: 422,
    retryable: false,
    title: 'The build is too large',
    help: 'The detail says which limit: number of files, size of one, size of all, or memory.',
  },
  runner_lost: {
    status: 503,
    retryable: true,
    title: 'The build runner went away',
    help: 'The platform tried several runners. Retry the build; it did not count against your quota.',
  },
  build_undelivered: {
    status: 503,
    retryable: true,
    title: 'The build could not be given to a runner',
    help: 'The platform tried for minutes. Retry the build; it did not count against your quota.',
  },
  build_cancelled: {
    status: 409,
    retryable: false,
    title: 'The build was cancelled',
    help: 'Retry it to build the same snapshot again.',
  },

  preview_unavailable: {
    status: 422,
    retryable: false,
    title: 'This project cannot be previewed',
    help: 'The detail says why. A build has a compiler of its own size and installs packages: make one.',
  },
  slug_taken: {
    status: 409,
    retryable: false,
    title: 'That slug belongs to another project',
    help: 'Choose another one. A slug stays with the project that published there first: browsers of its players keep data of that origin.',
  },
  not_publishable: {
    status: 409,
    retryable: false,
    title: 'That build cannot be published',
    help: 'Only a web build that has succeeded can. Build the project with target `web`, and publish it when its status is `success`.',
  },
  build_published: {
    status: 409,
    retryable: false,
    title: 'That build is published',
    help: 'Publish another build of the project, or end the publication; then delete it.',
  },

  // Us
  internal: {
    status: 500,
    close: 4500,
    retryable: true,
    title: 'Something failed on our side',
    help: 'Nothing was changed. Try again; if it stays, report the request id.',
  },
  unavailable: {
    status: 503,
    close: 1012,
    retryable: true,
    title: 'A part of the system is away',
    help: 'Try again after the seconds in `Retry-After`. Nothing was changed; only where the detail says that a part does not answer, it may still do what it was asked: look before you ask again.',
  },
});

export type ErrorCode = keyof typeof errors;

export const errorCodes = Object.keys(errors) as [ErrorCode, ...ErrorCode[]];

/** The table seen without its literal types, where a code is only known at run time. */
export const errorSpec = (code: ErrorCode): ErrorSpec => errors[code];

export interface Issue {
  /** Where, as `body.name` or `query.limit`. */
  readonly path: string;
  readonly message: string;
}

/** What a limit leaves, where a refusal is about one that is used up. */
export interface QuotaState {
  readonly used: number;
  readonly limit: number;
  readonly left: number;
}

/** The only error that crosses a layer of Kiln. Everything else that is thrown is a bug and answers `internal`. */
export class KilnError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly issues: readonly Issue[] | undefined;
  readonly quota: QuotaState | undefined;
  /** Seconds until a retry makes sense. */
  readonly retryAfter: number | undefined;
  /** Headers that the answer must have. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    options: {
      detail?: string | undefined;
      issues?: readonly Issue[] | undefined;
      quota?: QuotaState | undefined;
      retryAfter?: number | undefined;
      headers?: Readonly<Record<string, string>> | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(options.detail ?? errors[code].title, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KilnError';
    this.code = code;
    this.detail = options.detail;
    this.issues = options.issues;
    this.quota = options.quota;
    this.retryAfter = options.retryAfter;
    this.headers = options.headers ?? {};
  }
}
