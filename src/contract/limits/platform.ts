import { day, KiB, MiB, minute, second } from '../units.ts';

/** HTTP, the stores, and what operations do with them. */
export const platformLimits = {
  /** HTTP. */
  http: {
    /** JSON bodies: a 1 MiB file escaped as JSON at worst doubles, beside its envelope. */
    jsonBody: 4 * MiB,
    /** JSON nesting: deeper than any shape of the contract, shallow enough for recursive readers. */
    jsonDepth: 32,
    pageDefault: 50,
    pageMax: 200,
    /** A body of which less than so many bytes arrive in so long, counted while they are awaited, is given up: 2 KiB/s is slower than a modem. */
    bodyPace: { window: 30 * second, bytes: 64 * KiB },
    /** Beside the files of a form: short fields, of which the longest is an id or a name, and headers of parts. Parts that are none of these are passed over. */
    form: { fields: 16, fieldBytes: 1 * KiB, otherParts: 32, headersOfPart: 32, headerBytes: 8 * KiB },
    /** `If-Match` within a batch: some entity tags of 66 characters. */
    conditionMax: 1000,
    /** Of what a list is searched for: longer than any name. */
    searchMax: 200,
    /** Wait before another try where an error says nothing more exact. */
    retryAfter: 1 * second,
    /** First answers to idempotent requests are replayed for a day. */
    idempotencyTtl: day,
    idempotencyKeyMax: 200,
    /** A first request says so often that it still runs. */
    idempotencyRenewal: 5 * second,
    /** One that has not said so for this long died: its key is free. A renewal may take as long as a statement. */
    idempotencyLease: 20 * second,
    /** A part that has not answered a readiness check by now is away. */
    readinessPatience: 3 * second,
    /** A removed build is gone from an isolate's memory, and so from its play origin, after this. */
    siteAge: 30 * second,
    /** Sites of builds that an isolate remembers, each a list of files. */
    sitesRemembered: 200,
    /** What never changes may be kept for a year, which RFC 2616 §14.21 calls never expiring. Of the others: the API's description and keys … */
    immutableAge: 365 * day,
    documentAge: 5 * minute,
    /** … and pictures of templates, which change with a release. */
    pictureAge: 60 * minute,
    /** A cursor holds a sort value: a name of 120 characters has up to 480 bytes, and base64 takes a third more. */
    cursorMax: 1000,
    /** … of so many characters, and an id. */
    cursorTextMax: 300,
    cursorIdMax: 64,
  },

  /** The relational store. */
  database: {
    /** Opening a connection to PostgreSQL. */
    connectTimeout: 5 * second,
    /** One statement: a request that waits longer has lost its client already. */
    statementTimeout: 10 * second,
    /** A change of a table's triggers waits for its writers so long; the job tries again. Everybody else waits behind it. */
    lockTimeout: 2 * second,
    /** Slower statements are logged by name and plan. */
    slowStatement: 200,
    /** A reader that wrote longer ago than this may read a PostgreSQL replica. */
    replicaLag: 10 * second,
    /** Values that one statement binds to a list: D1 takes 100 in all. */
    listValues: 90,
    /** Assets that one statement takes over with their project. */
    adoptedAssets: 500,
    /** Statements whose text for PostgreSQL is remembered: there are some 400, and those with lists come in several lengths. */
    statementsRemembered: 1000,
  },

  /** How long an answer is waited for where the platform itself would wait for ever; after it `unavailable`. */
  patience: {
    /** R2, KV, a queue: they answer within 100 ms, and nobody waits longer for them than for the database. */
    store: 10 * second,
    /** On top for the bytes of a call, at this rate at the least: 25 s for the largest file, which takes one or two. */
    bytesPerSecond: 1 * MiB,
    /** A store that takes a stream waits for whoever fills it: 1 GiB on a line of 10 Mbit/s. */
    stream: 15 * minute,
    /** A Durable Object, which asks stores itself: a snapshot of 5,000 new texts puts them into R2 in 80 s. */
    object: 2 * minute,
    /** A room that writes its backup or takes one over: 5,000 documents, one after the other. Twice fits into an alarm of 15 min. */
    roomBackup: 5 * minute,
  },

  /** Cloudflare R2. */
  bucket: {
    /** Objects of one listing, and of one removal. */
    listMax: 1000,
  },

  /** Bytes on their way into a bucket, before their hash is known. */
  intake: {
    /** Parts of what comes without a length, held in memory one at a time. R2 takes none below 5 MiB but the last. */
    part: 5 * MiB,
    /** An object that waits for its name is there for seconds; after this its request has died. */
    abandoned: day,
  },

  outbox: {
    /** A row is claimed so long by one worker before another may take it. */
    claim: 30 * second,
    batch: 50,
    /** A promised message older than this says that the queue takes none. */
    overdue: 2 * minute,
    /** Things handled in one run of one sweep; the rest waits for the next minute. */
    sweep: 100,
  },

  /** Collection of objects that nothing refers to. */
  gc: {
    /**
     * Age from which an unreferenced object is set aside, and again from which one that was set aside is
     * deleted. Longer than the 24 h for which a `blobs/missing` answer promises that a blob is there.
     */
    grace: 2 * day,
    /** Objects of one listing (R2 answers at most 1000). */
    listPage: 500,
    /** Hashes that one room is asked about at a time: 0.3 MB of an RPC that may carry 32. */
    confirmBatch: 5000,
    /** Of what a clean-up by hand may leave: ten years, older than anything here. */
    ageMax: 3650 * day,
    /** Rows of one read while marking. */
    markRows: 500,
  },

  /** Backups of everything, into the bucket EXPORTS. */
  backup: {
    /** The newest backup of each of the last days that had one … */
    dailyKept: 7,
    /** … and the newest of each of the last ISO weeks that had one. */
    weeklyKept: 4,
    /** Jobs of operations whose end can still be asked for. */
    jobsKept: 100,
    /** Parts and objects of one set, which its manifest names: read at once. */
    manifestParts: 1_000_000,
    /** Rows of one table as NDJSON before they become an object: what a restore holds in memory at a time. */
    partBytes: 4 * MiB,
    /** Rows of the first chunk of a table; the next ones follow from how large these were. */
    chunkRows: 200,
    /** One read: D1 answers a statement whole, and an isolate has 128 MB. */
    chunkBytes: 1 * MiB,
    chunkRowsMax: 5000,
    /** Changed rows that the closing moment reads again; more are caught up with in earlier rounds. */
    closingChanges: 500,
    /** Changes that one round catches up with: in a second or two, which is faster than D1 takes writes. */
    roundChanges: 2000,
    /** Rows of one INSERT of a restore travel in one bound parameter, which D1 takes up to 2 MB. */
    insertBytes: 512 * KiB,
    /** Objects copied, or rooms asked, in one step: each step stays well below the subrequests of one invocation. */
    stepItems: 40,
    /** workerd holds six connections that wait for headers. */
    parallel: 6,
    /** Names of kept objects in one list. */
    listItems: 10_000,
    /** One alarm works so long, then the next goes on: progress is saved after each step anyway. */
    alarmTime: 20 * second,
    /** Subrequests of one alarm stay below the 1,000 that every plan has: steps of one alarm. */
    alarmSteps: 8,
    /** Pause after a step that failed; doubles. */
    retryDelay: 1 * second,
    /** A job whose step fails so often in a row has failed: with doubling pauses eight minutes, longer than a restart of anything. */
    stepAttempts: 10,
    /** Ids that a report names of each kind; the rest is counted. */
    reportItems: 100,
    /** An operator's command signs a token for itself and polls with it; it makes a fresh one when it ends. */
    tokenTtl: 15 * minute,
  },
} as const;
