import { day, minute, second } from '../units.ts';

/** Who somebody is: sign-in, sessions, keys, mails, providers, and how often they may ask. */
export const identityLimits = {
  /** Identity. */
  auth: {
    /** Access tokens are not looked up, so they must be short: the contract allows 15 min at most. */
    accessTokenTtl: 15 * minute,
    /** Idle limit of a session: a refresh token unused for so long is dead. */
    refreshTokenTtl: 14 * day,
    /** A refresh that won and has not said by now that it is committed has died. */
    settleTimeout: 30 * second,
    /** Absolute limit of a session; rotation never outlives it (ASVS 7.3.2). */
    sessionTtl: 30 * day,
    /** Leeway for clocks of other machines (RFC 8725 §3.8 advises "a few minutes at most"; hostile case 5 says 60 s). */
    clockLeeway: 30 * second,
    passwordMin: 8,
    /** Longer passwords add no strength, and hashing input must be bounded. */
    passwordMax: 256,
    /** RFC 5321 §4.5.3.1.3 minus the angle brackets. */
    emailMax: 254,
    usernameMin: 3,
    usernameMax: 32,
    displayNameMax: 80,
    /** What is kept of the name of the program that signed in: browsers' have below 200 characters. */
    userAgentMax: 300,
    /** A refresh token, or one from a mail: they have 43 characters. */
    tokenMax: 200,
    /** OWASP's 16 MiB scrypt choice: N=2^17 would need the whole 128 MB isolate. */
    scrypt: { cost: 2 ** 14, blockSize: 8, parallelization: 5, keyLength: 32, saltLength: 16 },
    /** Passwords that wait for the one that is being hashed: at 0.1 s each the last one waits 3 s. */
    hashesWaiting: 32,
    /** A hash that waits longer does not wait on: what it waits for went away with its request. */
    hashPatience: 15 * second,
    /** A device that somebody signed in on is known so long: it has its own count of wrong passwords. */
    deviceTtl: 180 * day,
    /** Without a password to ask for, a sign-in this young proves that it is still the same person. */
    freshSession: 15 * minute,
    /** Sessions of one user that their list shows, the last used first. */
    sessionsShown: 100,
  },

  /** What every isolate knows of accounts. */
  guard: {
    /** An answer of an account's object is trusted so long: what was revoked is dead after it. */
    trusted: 5 * second,
    /** From then on a request asks anew in the background, so that steady use waits for nobody. */
    refreshAhead: 3 * second,
    /** Credentials that one isolate remembers. */
    remembered: 20_000,
    /** The object asks the database again after so long: a notice that got lost heals. */
    recheck: 30 * second,
    /** When the database cannot be asked, the last answer stands so long; then nobody gets in. */
    grace: 60 * second,
    /** An object that has not answered by now counts as away. */
    patience: 5 * second,
    /** Credentials that one object remembers. */
    credentials: 1000,
    /** Rooms that could not be told of an ended session are told again after this. */
    retryDelay: 1 * second,
  },

  /**
   * How often somebody may ask, as `limit` per `window`, given back evenly over the window (GCRA). Those of `perUser`,
   * `buildsPerDay` and `perAddress` are multiplied by RATE_LIMIT_SCALE, which is 1 unless the configuration says otherwise.
   */
  rates: {
    /** Of one user, or of one API key. Fifty reads a second are more than any editor asks for, and a sync client's burst. */
    perUser: {
      read: { limit: 3000, window: minute },
      write: { limit: 1200, window: minute },
      /** A sync client sends the blobs of the largest project in one go. */
      upload: { limit: 6000, window: minute },
      build: { limit: 60, window: minute },
    },
    /**
     * Builds of one user that go to a runner; those that the platform itself fails are given back. A person who builds every two
     * minutes of a working day gets through, and five minutes each would keep one place of a runner busy all day. Scaled.
     */
    buildsPerDay: { limit: 250, window: day },
    /** Of one address, before anybody has said who they are. Offices and schools share one. */
    perAddress: {
      anonymous: { limit: 1200, window: minute },
      signUp: { limit: 30, window: 60 * minute },
      /** Sign-ins that fail; one that succeeds is given back. */
      signIn: { limit: 100, window: 15 * minute },
      /** Mails asked for, to whomever. */
      mail: { limit: 60, window: 60 * minute },
    },
    /** Wrong passwords of one account, from all addresses: 10, then 1 every 6 min, which is 250 a day. Not scaled. */
    account: { limit: 10, window: 60 * minute },
    /** Wrong passwords on a device that is known: the owner gets in while somebody else uses the account's up. Not scaled. */
    device: { limit: 10, window: 60 * minute },
    /** Mails asked for to one mailbox: more would be a nuisance, and the newest has a link that works. Not scaled. */
    mailbox: { limit: 6, window: 60 * minute },
    /** Addresses and users whose count one isolate keeps. */
    remembered: 20_000,
  },

  /** API keys. */
  apiKey: {
    perUser: 25,
    nameMax: 80,
    /** A year: a key that nobody renews is a key that nobody misses. */
    ttlMax: 366 * day,
    /** When a key was last used is written at most so often. */
    lastUsedEvery: 5 * minute,
  },

  /** Accounts as a whole. */
  account: {
    /** A deleted account can be had back so long, by signing in. */
    deletionGrace: 14 * day,
    /** Rows of one kind in a data export; the newest ones. */
    exportRows: 10_000,
    reasonMax: 500,
  },

  /** Mails, and the links in them. */
  mail: {
    /** Bytes of randomness in a link's token, as in every other secret of Kiln. */
    tokenBytes: 32,
    /** Long enough for who reads mail once a weekend. */
    verifyTtl: 3 * day,
    /** A reset opens the account, so it is for now (ASVS 6.4.1). */
    resetTtl: 60 * minute,
    /** First wait after the mail service took none; doubles, with jitter … */
    retryFirst: minute,
    /** … up to this: whoever waits for a mail looks again within the hour. */
    retryMax: 60 * minute,
    /** A mail that could not be sent for so long is about something that has passed. */
    giveUp: day,
    /** Development keeps what was sent so long for `/dev/mail`, the newest of it on one page. */
    mailboxTtl: day,
    mailboxShown: 50,
  },

  /** Signing in through providers. */
  oauth: {
    /** From leaving for the provider to coming back: with a password manager and a second factor it takes minutes. */
    flowTtl: 10 * minute,
    /** Bytes of the secret that a flow's state, nonce and verifier are made of. */
    secretBytes: 32,
    /** One request to a provider; nobody waits longer for a page to load. */
    patience: 10 * second,
    /** A provider's endpoints and keys are asked for anew after so long. */
    discoveryTtl: 10 * minute,
    /** Path to go on at after a sign-in: the longest of the app's own are far shorter. */
    returnMax: 500,
    /** Names tried for a new account before a random one: the provider's, then with a number. */
    nameAttempts: 5,
  },
} as const;
