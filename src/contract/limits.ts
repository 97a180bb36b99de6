/**
 * Every cap, timeout and size of Kiln, once, each with its reason. Sizes are bytes, times are
 * milliseconds unless the name says otherwise. Nothing else in the code base may hold such a number.
 */
const KiB = 1024;
const MiB = 1024 * KiB;
const second = 1000;
const minute = 60 * second;
const day = 24 * 60 * minute;

export const limits = {
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
    /** OWASP's 16 MiB scrypt choice: N=2^17 would need the whole 128 MB isolate. */
    scrypt: { cost: 2 ** 14, blockSize: 8, parallelization: 5, keyLength: 32, saltLength: 16 },
  },

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
    /** First answers to idempotent requests are replayed for a day. */
    idempotencyTtl: day,
    idempotencyKeyMax: 200,
    /** A first request that never finished (its Worker died) frees its key after this. */
    idempotencyAbandoned: minute,
    /** A part that has not answered a readiness check by now is away. */
    readinessPatience: 3 * second,
    /** A removed build is gone from an isolate's memory, and so from its play origin, after this. */
    siteAge: 30 * second,
    /** A cursor holds a sort value: a name of 120 characters has up to 480 bytes, and base64 takes a third more. */
    cursorMax: 1000,
  },

  /** Projects and their trees. */
  project: {
    nameMax: 120,
    descriptionMax: 2000,
    settingsBytes: 64 * KiB,
    /** Trash keeps a deleted project for 30 days. */
    trashTtl: 30 * day,
    filesMax: 5000,
    /** Sum of the sizes of the files in one tree. */
    totalSize: 1024 * MiB,
    collaboratorsMax: 200,
    /** How long a `creating` or `deleting` project may take before the sweep finishes or undoes it. */
    transitionTimeout: 5 * minute,
  },

  file: {
    pathMax: 500,
    /** POSIX NAME_MAX of the file systems that an export is unpacked on. */
    segmentBytes: 255,
    /** Text up to here has a live document and lives in the room's SQLite. */
    textMax: 1 * MiB,
    /** One PUT; larger things are assets. */
    sizeMax: 25 * MiB,
  },

  /** The project room. */
  room: {
    /** A ticket opens one socket, once, within a minute. */
    ticketTtl: 60 * second,
    /** A cached membership is trusted so long; a lost notice heals after it. */
    memberCacheTtl: 5 * second,
    /** Updates of one document arriving within this window are stored and sent as one (a frame at 60 Hz is 16 ms). */
    commitWindow: 15,
    /** An edited document is written to the tree at the latest so long after the edit. */
    flushAfter: 1 * second,
    /** `saved` acknowledgements are batched this long. */
    savedWindow: 100,
    /** Sockets go on so long after their last check when the database cannot be asked; then they end. */
    memberGrace: 15 * second,
    /** SQLite in production refuses values over 2 MB; chunks stay well below. */
    chunk: 1 * MiB,
    /** The update log of a document is folded into a snapshot after so many rows … */
    logRows: 500,
    /** … or so many bytes. */
    logBytes: 1 * MiB,
    /** A document whose history is larger than this takes no more edits (an isolate has 128 MB). */
    documentBytes: 16 * MiB,
    /** A frame above this closes the socket; a 1 MiB text with history fits a sync step. */
    frameBytes: 4 * MiB,
    /** Updates that wait for others that never came: an honest client sends in order, so there is hardly ever one. */
    pendingBytes: 256 * KiB,
    /** Frames of one socket in a second: typing makes 10–30, a game-scene drag 60. */
    framesPerSecond: 300,
    /** Size of one client's awareness state: a cursor, a selection, a name. */
    awarenessBytes: 4 * KiB,
    /** Awareness clients of one socket: reconnecting within the same page may overlap once. */
    awarenessClients: 2,
    /** Hibernation keeps the attachment of a socket up to 16,384 bytes. */
    attachmentBytes: 16_384,
    usersMax: 100,
    socketsMax: 1000,
    socketsPerUser: 50,
    /** Text of the project channel (chat, cursors). */
    channelFrameBytes: 16 * KiB,
    chatMax: 4000,
    /** Events kept for `resume`; older ones answer `resync`. */
    eventsKept: 10_000,
    /** Replayed in one `resume`. */
    eventsReplayed: 1000,
    /** A flushed revision's Yjs state is kept so long, for writes that name it in If-Match. */
    revisionTtl: 10 * minute,
    revisionsKept: 50,
    /** Text that nobody edits any more is copied to R2 after so long. */
    blobIdle: 60 * second,
    /** The D1 index of the tree follows within so long. */
    indexDelay: 30 * second,
  },

  /** Search over a project, which runs in its room beside the typing. */
  search: {
    /** A pattern is compiled before its size is known: the worst of 500 characters takes 0.3 s, in the Worker. */
    queryMax: 500,
    /** A few globs; each is matched against every path. */
    pathMax: 500,
    /** Instructions of a compiled pattern. RE2 takes time in proportion to them and to the text; 1,000 words of three letters have 3,100. */
    programMax: 4000,
    /**
     * Work between two pauses in which the room serves others, in steps: one instruction on one character. A step
     * takes 25 ns at worst (measured with re2js 2.10), so this is at most 50 ms. It is also how far one line is
     * searched by one pattern: one of 8 instructions gets through 250,000 characters of a line.
     */
    steps: 2_000_000,
    /** Then it answers what it has. */
    time: 5 * second,
    matches: 1000,
    matchesPerFile: 250,
    /** UTF-16 units of a preview: a line on a wide screen. */
    preview: 250,
    /** Texts read from R2 in one search: subrequests stay below the 1,000 that every plan has. */
    coldTexts: 800,
    /** Cold texts on their way at once; workerd holds six connections that wait for headers. */
    parallel: 4,
    /** Cold texts that one isolate remembers for the next keystroke of whoever searches. */
    cacheBytes: 16 * MiB,
    /** Searches of one project that run or wait: they take turns … */
    waiting: 16,
    /** … and nobody has more of them than this. */
    waitingPerUser: 4,
  },

  build: {
    /** Container instances that share the work; equals `max_instances` in wrangler.toml. */
    runners: 10,
    /** A runner that has not taken a job by now did not get it; a container may have to start first. */
    handOver: { process: 10 * second, container: 60 * second },
    /** The runner's answer to a readiness check. */
    runnerHealth: 2 * second,
    /** Builds looked at for one wake-up: more than others may claim at the same moment. */
    candidates: 20,
    /** Two at a time per user; the rest waits in order. */
    runningPerUser: 2,
    queuedPerUser: 100,
    /** Wall clock of one attempt in the runner. */
    timeout: 5 * minute,
    attempts: 3,
    /** The runner reports at least this often … */
    heartbeat: 5 * second,
    /** … and is believed dead after this silence. */
    lease: 30 * second,
    /** A build still queued after so long is offered to a runner again: its message may be lost. */
    queuedSweep: 20 * second,
    /** A build that no runner could take for so long ends; the studio should hear of it. */
    queuedTimeout: 60 * minute,
    /** Progress reaches the database at most so often; followers see every step. */
    projectionInterval: 1 * second,
    /** First retry of infrastructure failures; doubles, with jitter. */
    retryDelay: 2 * second,
    /** Without a lockfile of its own, a project keeps the versions of its last build so long. */
    lockTtl: day,
    logLines: 20_000,
    logLineBytes: 8 * KiB,
    eventsPerBatch: 500,
    outputFiles: 5000,
    outputBytes: 512 * MiB,
    outputFileBytes: 100 * MiB,
    defineMax: 100,
    /** A comment line on an idle log stream keeps proxies from closing it. */
    streamPing: 15 * second,
  },

  /** The relational store. */
  database: {
    /** Opening a connection to PostgreSQL. */
    connectTimeout: 5 * second,
    /** One statement: a request that waits longer has lost its client already. */
    statementTimeout: 10 * second,
    /** Slower statements are logged by name and plan. */
    slowStatement: 200,
    /** A reader that wrote longer ago than this may read a PostgreSQL replica. */
    replicaLag: 10 * second,
  },

  /** Backups of everything, into the bucket EXPORTS. */
  backup: {
    /** The newest backup of each of the last days that had one … */
    dailyKept: 7,
    /** … and the newest of each of the last ISO weeks that had one. */
    weeklyKept: 4,
    /** Rows of one table as NDJSON before they become an object: what a restore holds in memory at a time. */
    partBytes: 4 * MiB,
    /** Rows of the first chunk of a table; the next ones follow from how large these were. */
    chunkRows: 200,
    /** One read: D1 answers a statement whole, and an isolate has 128 MB. */
    chunkBytes: 1 * MiB,
    chunkRowsMax: 5000,
    /** Changed rows that the closing batch reads again; more are caught up with in earlier rounds. */
    closingChanges: 500,
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
    /** A job whose step fails so often in a row has failed. */
    stepAttempts: 6,
    /** Ids that a report names of each kind; the rest is counted. */
    reportItems: 100,
    /** An operator's command signs a token for itself and polls with it; it makes a fresh one when it ends. */
    tokenTtl: 15 * minute,
  },

  /** Bytes on their way into a bucket, before their hash is known. */
  intake: {
    /** Parts of what comes without a length, held in memory one at a time. R2 takes none below 5 MiB but the last. */
    part: 5 * MiB,
    /** An object that waits for its name is there for seconds; after this its request has died. */
    abandoned: day,
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
    /** Rows of one read while marking. */
    markRows: 500,
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
} as const;
