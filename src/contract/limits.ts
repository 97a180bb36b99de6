import { day, KiB, MiB, minute, second } from './units.ts';

/**
 * Every cap, timeout and size of Kiln, once, each with its reason. Sizes are bytes, times are
 * milliseconds unless the name says otherwise. Nothing else in the code base may hold such a number.
 */
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

  /** Projects and their trees. */
  project: {
    nameMax: 120,
    descriptionMax: 2000,
    settingsBytes: 64 * KiB,
    settingKeyMax: 100,
    /** Id or slug of a template, and one of its tags. */
    templateMax: 100,
    templateTagMax: 50,
    /** Trash keeps a deleted project for 30 days. */
    trashTtl: 30 * day,
    filesMax: 5000,
    /** Sum of the sizes of the files in one tree. */
    totalSize: 1024 * MiB,
    /**
     * Typing goes on so far past `totalSize`: whoever is in the middle of a line cannot make room first, and a book has
     * less than this. Writes of whole files stop at `totalSize`.
     */
    typingSlack: 1 * MiB,
    collaboratorsMax: 200,
    /** Projects that one user may own: more would fill the stores past every limit of one project (hostile case 49). */
    perUser: 100,
    /** How long a `creating` or `deleting` project may take before the sweep finishes or undoes it. */
    transitionTimeout: 5 * minute,
  },

  /** Invitations to a project. */
  invite: {
    /** Bytes of randomness in a token: twice what hostile case 32 asks for. */
    tokenBytes: 32,
    /** Unless the invite says otherwise: long enough for a holiday, short enough for a link in a chat. */
    ttl: 7 * day,
    ttlMax: 90 * day,
    /** Uses of a link that does not say how many. */
    uses: 25,
    /** Open at one time in a project: their list is one page. */
    openMax: 100,
  },

  file: {
    /**
     * Work for comparing two texts character by character, in squares of how many two spans have together: two texts of 20,000 that
     * have nothing in common take seconds, so many some 50 ms.
     */
    diffWork: 4000 ** 2,
    /** Lines that may differ where lines are compared; beyond that the span between the first change and the last is one. */
    diffLines: 1000,
    pathMax: 500,
    /** POSIX NAME_MAX of the file systems that an export is unpacked on. */
    segmentBytes: 255,
    /** Text up to here has a live document and lives in the room's SQLite. */
    textMax: 1 * MiB,
    /** One PUT; larger things are assets. */
    sizeMax: 25 * MiB,
  },

  /** Many changes of a tree in one request. */
  batch: {
    /** One transaction of the room's object holds up everybody else in it: a thousand writes take some 50 ms. */
    operationsMax: 1000,
    messageMax: 500,
    /** Blobs stored at a time; workerd holds six connections that wait for headers. */
    parallel: 6,
  },

  /** Blobs that a sync client uploads before it names them. */
  blob: {
    /** What `blobs/missing` says is there stays there so long. */
    lease: day,
    /** Hashes of one question: all files of the largest project. */
    hashesMax: 5000,
    /** Uploaded and not named yet; as many as a project may have files. */
    leasesMax: 5000,
  },

  /** The history of a project. */
  checkpoint: {
    nameMax: 120,
    messageMax: 2000,
    /** Named ones are kept for ever, so they are counted. */
    namedMax: 1000,
    /** Work is kept on its own so long after the first change since the newest checkpoint. */
    automaticAfter: 10 * minute,
    /** All of so long stay … */
    allFor: day,
    /** … and one of each day of so long. */
    dailyFor: 30 * day,
    /** A state that cannot be stored now is tried again so much later. */
    retryDelay: minute,
    /** A restore or merge that others overtook is planned anew so often. */
    landAttempts: 5,
    /** Trees let go of in one go: each is one manifest read. */
    forgetBatch: 20,
  },

  /** The project room. */
  room: {
    /** No honest value of an update nests so deep (`scene.depth`), and Yjs reads values by recursion. */
    valueDepth: 500,
    /** A ticket opens one socket, once, within a minute. */
    ticketTtl: 60 * second,
    /** A cached membership is trusted so long; a lost notice heals after it. */
    memberCacheTtl: 5 * second,
    /**
     * Updates of one document arriving within so many milliseconds are stored and sent as one: `base`, and one more for every
     * `sockets` that are on it, since each commit is a frame for each of them; up to `max`, which beside storing, sending and
     * reading keeps the 95th percentile of 50 who type within 30 ms.
     */
    commitWindow: { base: 8, sockets: 3, max: 22 },
    /** An edited document is written to the tree so long after its first edit, or after its last one where somebody is typing in it. */
    flushAfter: 1 * second,
    /** Nobody is, who has not edited for so long: people who type make some five edits a second. */
    flushQuiet: 250,
    /** Typed on in, it is written at the latest so long after its first edit: each time all of its text and its history is, which typing pays. */
    flushLatest: 4 * second,
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
    /**
     * Nor does it take one that would bring it over so many items: 16 MiB of single letters at scattered places are three million, and would
     * take 600 MB of memory. So many take 42 MB (211 bytes each, yjs 13 in V8), a third of the 128 MB of an isolate, and 0.4 s to decode. Typing makes
     * one item of what is typed in a row; a scene of 1 MiB has some 100,000.
     */
    documentItems: 200_000,
    /** State vector of a sync step 1, which becomes a map: 50,000 people who ever wrote in one document, at 10 bytes each. */
    vectorBytes: 512 * KiB,
    /**
     * Documents that nobody has open stay in memory for who comes back, flushed: of all rooms of an isolate together so many,
     * an eighth of the 128 MB that they share, and for so long. A room without sockets is evicted after two minutes anyway.
     */
    idleDocuments: { count: 100, bytes: 16 * MiB, ttl: 5 * minute },
    /** Memory of one item of a document: 170–240 bytes, as measured with yjs 13 in V8. */
    itemBytes: 200,
    /** A frame above this closes the socket; a 1 MiB text with history fits a sync step. */
    frameBytes: 4 * MiB,
    /** Frames that y-partykit's provider sends in parts wait in memory until they are whole: four of the largest at a time. */
    batchBytes: 16 * MiB,
    /** A socket is asked whether it reads after so many bytes … */
    askAfter: 256 * KiB,
    /** … and dropped when it was sent so many more without an answer: 40 s of 50 people who type, at 2 KiB each; and one frame never does it alone. */
    sendBuffer: 4 * MiB,
    /**
     * A socket of the channel that was not heard for so long, pings included, or one of a document, is asked whether somebody is there, and dropped when
     * nothing came after `answer`: gone from presence within a minute. Clients ping every 25 s (`client.ping`), and Yjs renews awareness every 15 s, so
     * only tabs in the background are asked, whose timers run once a minute; they answer at once. Between two looks lies `pace`.
     */
    silence: { channel: 30 * second, document: 40 * second, answer: 10 * second, pace: 10 * second },
    /** Updates that wait for others that never came: an honest client sends in order, so there is hardly ever one. */
    pendingBytes: 256 * KiB,
    /**
     * Frames of one socket in a second, and messages in them. Typing makes 10–30; a provider sends one for each transaction, so a drag that
     * writes at each report of the pointer makes as many as that reports: 125 of a plain mouse, 1,000 of a fast one.
     */
    framesPerSecond: 1000,
    /** Bytes of them: two of the largest, as who comes back with much that was made offline may bring. */
    frameBytesPerSecond: 8 * MiB,
    /** All sockets of one user together send no more than so many at these limits: people drag one thing at a time. */
    busySockets: 5,
    /** Sync steps 1 and questions for awareness of one socket in a second, each answered with all there is: a provider asks when it connects. */
    questionsPerSecond: 20,
    /**
     * What a user asks of the room on all their sockets (sync step 1, query-awareness, `resume`), in bytes of the answers: `burst` at
     * once, then `perSecond`; what is beyond it waits. A document of 1 MB in 60,000 items takes 60 ms to put together, so one who asks
     * without end has an eighth of the room's time; 50 documents of 80 KB come back at once. No question counts less than `least`:
     * each ends a commit window. That somebody waits is said once in `said`.
     */
    answers: { burst: 4 * MiB, perSecond: 2 * MiB, least: 32 * KiB, said: minute },
    /** Size of one client's awareness state: a cursor, a selection, a name. */
    awarenessBytes: 4 * KiB,
    /** Awareness messages of one socket that are heard in a second; of the rest the newest is, when it is over. A caret at 60 Hz and its peers' screens need no more. */
    awarenessPerSecond: 60,
    /** Awareness clients of one socket: reconnecting within the same page may overlap once. */
    awarenessClients: 2,
    /** Entries of one message of it: an honest client sends its own. */
    awarenessEntries: 64,
    /** Hibernation keeps the attachment of a socket up to 16,384 bytes. */
    attachmentBytes: 16_384,
    usersMax: 100,
    socketsMax: 1000,
    /** Access of people that a room remembers: its members, and who looks at a public project. */
    membersRemembered: 1000,
    socketsPerUser: 50,
    /** Text of the project channel (chat, cursors). */
    channelFrameBytes: 16 * KiB,
    /** What a client calls a message of its own, to know its answer by; a UUID has 36. */
    refMax: 64,
    /** Events kept for `resume`; older ones answer `resync`. */
    eventsKept: 10_000,
    /** … which are removed with every so many that come. */
    eventsTrimmedEvery: 100,
    /** Of the name of an event's type, as a client asks for it: the longest has 20. */
    eventTypeMax: 40,
    /** Replayed in one `resume`, or of one type in one list. */
    eventsReplayed: 1000,
    /** A flushed revision's Yjs state is kept so long, for writes that name it in If-Match. */
    revisionTtl: 10 * minute,
    revisionsKept: 50,
    /** Text that nobody edits any more is copied to R2 after so long. */
    blobIdle: 60 * second,
    /** … and soon where one batch brings so many: whoever brings a project exports, compares or forks it next … */
    blobsEager: 50,
    /** … but not at once: a build that follows takes them from the room, and 500 puts take as long as that build does. */
    blobsEagerAfter: 2 * second,
    /** Puts at a time; workerd holds six connections that wait for headers. */
    blobsParallel: 6,
    /** Texts of one tidying; the next one follows by its alarm. */
    blobsTidied: 200,
    /** Puts noted in one write. Those that a crash forgets are done again. */
    blobsMarked: 25,
    /** UTF-16 units of the manifest of a snapshot that waits in the room: a row of its storage has 2 MB. Larger ones are stored at once. */
    heldTreeChars: 600_000,
    /** Texts that a room hands to the room of a copy; more are stored first. An RPC carries 32 MiB. */
    handOverBytes: 16 * MiB,
    /** The D1 index of the tree follows within so long. */
    indexDelay: 30 * second,
  },

  /** What people write to each other, in the chat and in comments. */
  talk: {
    /** A screenful; longer texts are files. */
    chatMax: 4000,
    mentionsMax: 20,
    /** The newest messages of a project's chat: at a hundred a day, the last hundred days. */
    chatKept: 10_000,
    /** Chat messages and comments of one user: a burst of 20, then one every 2 s. Nobody types 30 messages a minute for long. */
    pace: { limit: 20, window: 40 * second },
  },

  /** Comments on files. */
  comment: {
    bodyMax: 4000,
    /** Threads of a project, resolved ones included. */
    threadsMax: 5000,
    repliesMax: 200,
    /** Bytes of all comments of a project: they travel in the manifest of an archive, and to a duplicate by RPC. */
    totalBytes: 4 * MiB,
    /** What is kept of the text that a comment is about. */
    quoteMax: 500,
    /** A shorter quote stands everywhere: a comment is not looked for by it. */
    quoteSearchMin: 4,
    /** A relative position is two ids and a clock, below 100 bytes. */
    relativeMax: 200,
    pointerMax: 500,
  },

  /** What people see of each other. */
  presence: {
    /** Cursors, selections, viewports of everybody are gathered this long into one frame: 100 people who move are 20 frames a second, not 700. */
    window: 50,
    /** Messages of one socket in a second; the client sends 7, of each kind. */
    perSecond: 40,
    /** Selected nodes that others are shown. They live in a socket's attachment: 40 ids of 64 bytes. */
    nodesMax: 40,
    viewMax: 16,
    viewKeyMax: 32,
  },

  /** Scenes as live documents. */
  scene: {
    /** Of a node: a UUID, or a name made by hand. */
    idMax: 64,
    /** A fractional index grows by a character in some 60 moves to one and the same place. */
    orderMax: 200,
    nameMax: 200,
    /** Nesting of values within a scene, as `http.jsonDepth` and for its reason. */
    depth: 32,
    /** Issues that people are shown of one document. */
    issuesMax: 50,
    /** Bytes of the file that one byte of an update can make at worst: a number in a list stands on a line of its own, indented by two for each level. */
    growth: 70,
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
    /** … and to the question for free places, before a build is claimed for it: others wait meanwhile. */
    runnerRoom: 1 * second,
    /** Builds looked at for one wake-up: more than others may claim at the same moment … */
    candidates: 20,
    /** … the oldest ones of each user: one or two may wait for their back-off. */
    candidatesPerUser: 3,
    /** Two at a time per user; the rest waits in order. */
    runningPerUser: 2,
    /** Snapshots whose hashes an isolate remembers while runners fetch them: the largest has 5,000, half a megabyte. */
    snapshotsRemembered: 16,
    /** Builds of which an isolate remembers what runner took them: more than run at once. */
    takenRemembered: 1000,
    queuedPerUser: 100,
    /**
     * Ended builds that nobody published go once a day. The newest of each project and target stay, successes and others counted
     * apart: nobody goes back further than that … `hour`, UTC: the one after backup and collection have begun.
     */
    retention: {
      newest: 20,
      age: 30 * day,
      hour: 4,
      /** A clean-up by hand may leave so many, which is more than four days of `rates.buildsPerDay` … */
      newestMax: 1000,
      /** Builds that one report looks at: those of a day, for a month and more. */
      reportRows: 10_000,
      /** Builds that one report names, and that one request removes: each is a request to its object. */
      reported: 50,
      /** Projects that the account's usage names: the account page has one line for them. */
      projectsShown: 5,
    },
    /**
     * Small contents that travel together between platform and runner: each has its own object in the store, and a request of its own
     * would cost more than the bytes. A Worker holds a whole batch in memory.
     */
    batch: { parts: 64, bytes: 4 * MiB, partBytes: 256 * KiB },
    /** Wall clock of one attempt in the runner. */
    timeout: 5 * minute,
    attempts: 3,
    /** A runner has let go of a build that was cancelled by then: it asks every second, and its child has to end. */
    cancelWithin: 2 * second,
    /** The place of a build that has ended has been given to the next one by then; a message looks again, as queues lose less than Workers do. */
    fillWithin: 1 * second,
    /** The runner reports at least this often … */
    heartbeat: 5 * second,
    /** … and is believed dead after this silence. */
    lease: 30 * second,
    /** A build still queued after so long is offered to a runner again: its message may be lost. */
    queuedSweep: 20 * second,
    /** A job that nobody has pulled goes into that queue again: its message may be lost, and a second one costs a question. */
    pullResend: 10 * minute,
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
    /** Lines that a log stream reads at once: at their longest a slow reader holds 512 KiB, and one line more costs nothing. */
    streamLines: 64,
    /** Why a build failed, in characters: a paragraph, and a line of source with its place. */
    messageMax: 2000,
    /** Media type of an output, in characters. */
    mimeTypeMax: 200,
    /** Messages of a whole log: it is kept as one object, and written and read from memory. */
    logBytes: 8 * MiB,
    eventsPerBatch: 500,
    outputFiles: 5000,
    outputBytes: 512 * MiB,
    outputFileBytes: 100 * MiB,
    /** Outputs that are looked for at once: as many requests as a Worker may have under way. */
    headsAtOnce: 6,
    /** A program with Electron inside: its own zip has some 120 MiB for Linux, 140 for Windows, and the game comes on top. */
    programBytes: 250 * MiB,
    /** A line of a file that is shown with what is wrong in it: longer ones are not read, and come from tools. */
    sourceLineBytes: 300,
    defineMax: 100,
    /** … of a dotted name, and a value as JSON. */
    defineNameMax: 200,
    defineValueMax: 2000,
    /** `extends` of one tsconfig after another: what people write has two or three. */
    tsconfigDepth: 10,
    /** Names that are compared with others for a slip of the finger: longer ones are nobody's, and comparing takes their length squared. */
    slipMax: 60,
    /** A comment line on an idle log stream keeps proxies from closing it. */
    streamPing: 15 * second,
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

  /** The typed client: how it waits, asks and tries again. */
  client: {
    /** First delay before connecting again; doubles, with jitter. A room that moved is back within a second. */
    retryFirst: 250,
    /** Longest delay between two attempts: what a person bears to wait after the network is back. */
    retryMax: 15 * second,
    /** A request whose answer was lost is sent again so often, where that does nothing twice: a line that was cut is back at once, or not soon. */
    requestRetries: 2,
    /** A connection that lived so long counts as a success; shorter ones keep the delay growing. */
    stable: 5 * second,
    /** Between two pings: NATs and proxies forget a silent connection after 30 s and more. */
    ping: 25 * second,
    /** A channel that has said nothing so long after a ping is dead: half-open sockets never say so. */
    pong: 10 * second,
    /** Parts of an upload on their way at once: enough to fill a line with a long way to go, few enough to hold in memory. */
    uploadParallel: 4,
    /** Of a file that is hashed at a time: some 5 ms, so that a page goes on answering. */
    hashBytes: 1 * MiB,
    /** Between two questions whether an upload has been verified. */
    verifyPoll: 2 * second,
    /** Files of a form, in bytes: one that was lost is sent again whole. */
    formBytes: 8 * MiB,
    /** An unanswered question to the room is given up after this, and the socket with it. */
    answer: 10 * second,
    /** Comments asked for at a time. */
    commentsPage: 100,
    /** Cursors of one person are sent so often: faster than anybody sees, slower than the room's cap on frames. */
    cursor: 150,
    /** That somebody is writing is said again so often … */
    typing: 2 * second,
    /** … and no longer shown so long after it was said last. */
    typingFades: 5 * second,
    /** Nothing typed, clicked or moved so long: the person is idle. */
    idleAfter: 2 * minute,
    /** So long without typing is a pause: then the room is asked what it has. Typists strike every 100–200 ms. */
    typingPause: 150,
    /** An acknowledgement that comes so long after an edit was sent covers it: the room batches for `savedWindow`, the rest is the way. */
    surelyCovered: 1 * second,
    /** A document whose path is refused as `moved` waits so many attempts for the event that says where to: eight seconds and more. */
    movedTries: 6,
    /** What this device keeps of a document is shown so long after the start at the latest, also when the network does not say where the file is by now. */
    followPatience: 2 * second,
  },

  /** The web workspace: what it loads and shows at a time, and what it waits for. */
  workspace: {
    /** Lines of one page of a list … */
    page: 30,
    /** … and cards of one page, which stand beside each other. */
    cards: 60,
    /** Events come together: what they are about is loaded so long after the last of them. */
    reloadAfter: 120,
    /** Lists that are open, likewise … */
    reloadListsAfter: 150,
    /** … and builds, which report their progress all the time. */
    reloadBuildsAfter: 400,
    /** After this long without a key the projects are narrowed down by what was typed … */
    filterAfter: 200,
    /** … and files are searched for it: each letter would be a search of everything. */
    searchAfter: 250,
    /** Pause after a change before the preview follows it: a word is typed in one go. */
    previewAfter: 300,
    /** Between two questions how making an asset smaller goes. */
    optimizationPoll: 3 * second,
    /** Requests for files at once: forms of small ones, and large ones, each of which may have several parts on their way. */
    sending: 2,
    /** Lines of one file's patch: more than anybody reads here; the rest is said. */
    patchLines: 600,
    /** Lines of a log on screen: its tail says what happened, and the DOM stays small. */
    logLines: 2000,
    /** Characters beyond which comparing the sides of a conflict would hold up the page, and edits; the text is shown as it is. */
    comparedChars: 200_000,
    comparedEdits: 2000,
    /** Files of a difference that are shown open; the others open by a click. */
    filesOpen: 12,
    /** Of what a restore did not find, so much is named. */
    missingNamed: 5,
    /** Events of the account's security of one page, which stands among other sections. */
    securityEvents: 8,
    /** Lines of one person within so long stand under one name. */
    togetherFor: 5 * minute,
    /** A message is read in so long, and one about what went wrong … */
    toast: 4 * second,
    errorToast: 9 * second,
    /** What was given to the browser to save stays in its memory so long: the download begins after the click. */
    savedFor: 60 * second,
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

  /** Projects as zip archives. */
  archive: {
    /** Cloudflare takes no larger request body on its smaller plans. */
    uploadBytes: 100 * MiB,
    /** An archive that comes in parts: what a project may hold. It is read twice, within the one request that imports it. */
    partsBytes: 1024 * MiB,
    /** Archives of one user that wait in parts: each takes `partsBytes` for a day. */
    openMax: 4,
    /** One read of such an archive, so that reading it twice takes 512 requests to R2 and not 4096. */
    partsReadAhead: 4 * MiB,
    /** What multipart framing may add to `uploadBytes`. */
    framingBytes: 64 * KiB,
    /** A whole body arrives in this time: 100 MiB at 1 Mbit/s. */
    uploadTimeout: 15 * minute,
    /** Parts of the temporary object; R2 takes none that is smaller, but for the last. */
    partBytes: 5 * MiB,
    /** An older temporary object belongs to a request that died: uploading and unpacking end long before. */
    uploadTtl: 60 * minute,
    /** Entries of one archive, with those that are passed over: a `node_modules` has tens of thousands. */
    entriesMax: 50_000,
    /** The list of entries is read whole: so many at 160 bytes each. */
    directoryBytes: 8 * MiB,
    /** Apache POI's measure of a bomb. No text of a game comes near it … */
    ratioMax: 100,
    /** … and what unpacks to less is none, whatever its ratio. */
    ratioFloor: 64 * MiB,
    /** One read of the temporary object; entries lie one behind the other. */
    readAhead: 512 * KiB,
    /** Inflated bytes come in pieces of the file's size, within these; small, because one is made for each file. */
    inflatedPiece: { min: 4 * KiB, max: 64 * KiB },
    /** Compressed bytes that are inflated at a time: deflate makes at most 1032 of one, so 4 MiB. */
    inflateStep: 4 * KiB,
    /** Up to here a file is held in memory whole, some at a time; larger ones pass through. */
    wholeBytes: 1 * MiB,
    /** `kiln.json`: all comments of a project, of which JSON may double every byte, laid out. */
    manifestBytes: 16 * MiB,
    /** Files that are read ahead of the one being sent, or stored at a time: workerd holds six connections that wait for headers. */
    parallel: 6,
  },

  /** Media and data of a game. */
  asset: {
    /** Cloudflare takes no larger request body on its smaller plans. */
    uploadBytes: 100 * MiB,
    /** What multipart framing may add to that, for each file. */
    framingBytes: 4 * KiB,
    /** Files of one form, which are stored one after the other. */
    batchFiles: 100,
    /** Of the beginning of a file that is kept to tell its type from; magic numbers lie within 36 KiB. */
    headBytes: 64 * KiB,
    /** Up to here a file is held in memory whole and stored by its name at once. */
    wholeBytes: 1 * MiB,
    /** Assets of a project: its export names each of them in one manifest, of at most 1 MiB. */
    perProject: 2000,
    /** All versions of a project's assets. Twice the largest file. */
    projectBytes: 10 * 1024 * MiB,
    /** The same over all projects that a user owns: at R2's price, 0.30 $ a month. */
    userBytes: 20 * 1024 * MiB,
    /** Versions of an asset; older ones make place for new ones. */
    versionsKept: 50,
    /** Of those, older ones than this go with the next upload, or once a day, but for the newest few: nobody goes back a quarter of a year … */
    versionTtl: 90 * day,
    /** … further than this. */
    versionsSpared: 10,
    /** Versions that one report names; what is beyond is counted. */
    reported: 500,
    /** A signed link works for one to two of these: longer than a page is open, and the same link for everybody within one. */
    linkTtl: 60 * minute,
    /** Larger ones are read from R2 every time: the cache of a data centre is shared. */
    cachedBytes: 32 * MiB,
    /** A cache that takes longer is slower than R2. */
    cachePatience: 500,
    /** Assets that one isolate remembers for its signed links. */
    remembered: 5000,
    /** Of what the list is searched for, and of a media type. */
    searchMax: 100,
    mimeTypeMax: 200,
    /** Nesting of an SVG document: deeper than any drawing, and readers of it may recurse. */
    svgDepth: 200,
    /** An SVG document up to here is shown, as a copy that is made in memory; a larger one is a download. */
    svgBytes: 1 * MiB,
    /** Trash keeps a deleted asset for 30 days. */
    trashTtl: 30 * day,
  },

  /** Drawings and models that a runner makes smaller. */
  optimize: {
    /** Of the asset, and of what is made of it: an optimiser needs many times its size, and the Worker holds the result whole. */
    bytes: 32 * MiB,
    /** Wall clock of one attempt in the runner: a model of 30 MiB takes ten seconds. */
    timeout: 60 * second,
    /** From the start of an attempt; what has not ended by then is begun anew: the attempt, and its way there and back. */
    lease: 75 * second,
    /** Attempts that a runner has begun; one that was only offered does not count. */
    attempts: 3,
    /** Waiting and running of one user: more is no person at work. */
    openPerUser: 100,
    /** A runner that was offered a job and has not begun it by now did not get it. */
    offered: 20 * second,
    /** A runner that was full, or away, is asked again after so long. */
    retryDelay: 2 * second,
    /** A job that no runner could take for so long ends, as a build does. */
    queuedTimeout: 60 * minute,
    /** How it went can be read so long. */
    kept: 30 * day,
  },

  /** Reading what an asset's bytes say of themselves. Whatever needs more goes without. */
  media: {
    /** Read at once: most formats say all in their first 64 KiB, and each read is one request to the bucket. */
    window: 64 * KiB,
    /** Read of one file in all: an animation is walked through to its end. */
    bytes: 16 * MiB,
    reads: 320,
    /** Files read at once; a Worker may have six connections to its bindings under way. */
    parallel: 6,
    /** Looks at what was read, of which a file of tiny blocks may ask for millions: some 50 ms. */
    steps: 100_000,
    /** A bucket answers a read in some 50 ms; nobody waits longer for what is an extra. */
    patience: 5 * second,
    /** Of a photograph whose size stands behind its EXIF data and colour profile. */
    headBytes: 512 * KiB,
    /** Tables of a font, chunks before a picture: more than any honest file has. */
    chunks: 256,
    tableBytes: 256 * KiB,
    /** A WOFF2 font is one stream: packed and unpacked it may have so much. The largest CJK fonts have 20 MiB. */
    fontBytes: 8 * MiB,
    /** The JSON of a model, without its buffers. */
    modelBytes: 4 * MiB,
    /** Extensions that it needs: glTF has some thirty. */
    modelExtensions: 50,
    /** Of a name. */
    textMax: 200,
  },

  /** Pictures that are made of pictures. */
  variant: {
    /** Pixels; no others, so that nobody can have any number of them made. A row of the list, a card, a preview, a screen. */
    widths: [64, 128, 256, 512, 1024] as const,
    /** The largest that is decoded, over all frames: 256 MiB of memory where it happens. Cloudflare Images takes 100 megapixels … */
    pixels: 64_000_000,
    /** … no side longer than this … */
    side: 12_000,
    /** … and no file larger than 70 MB. */
    sourceBytes: 64 * MiB,
    /** Out of 100; where nobody sees the difference at these sizes. */
    quality: 80,
    /** While one cannot be made, its original up to here is shown in its place: a list of them is slow then, and has pictures. */
    standInBytes: 2 * MiB,
    /** One that nobody could decode is not tried again for so long by the same isolate. */
    refused: 10 * minute,
    /** Of those, as many are remembered. */
    refusedRemembered: 1000,
    /** Where Cloudflare Images is not bound a build runner makes them, in one request that waits for the answer. */
    runner: {
      /** A runner that has not answered by now is given up; a container may have to start first. */
      patience: { process: 15 * second, container: 60 * second },
      /** Wall clock of one picture, with its way to the runner; a thumbnail of a photograph takes half a second. */
      timeout: 20 * second,
      /** Pictures in line, beside those being made: a page of a list asks for fifty at once. */
      waiting: 100,
      /** Where runners pull: one that is not there is offered again by the same isolate after so long … */
      offeredAgain: minute,
      /** … of which so many are remembered; … */
      offersRemembered: 5000,
      /** … and an offer that nobody took by then is good for nothing: whoever looks next makes another. */
      offerTtl: 10 * minute,
    },
  },

  /** Many pictures in one. */
  atlas: {
    /** Pixels a side: every device of the last ten years takes such a texture, and its pixels are 16 MiB of memory here. */
    size: 2048,
    /** Each is one request to where pictures are decoded. */
    pictures: 500,
    /** Pixels between two of them. */
    padding: 32,
  },

  /** Assets that come in parts. */
  upload: {
    /** The largest object that R2 takes in one put, by which it gets its name. */
    size: 5 * 1024 * MiB - 5 * MiB,
    /** A part that was lost costs seconds on a slow line. */
    partSize: 8 * MiB,
    /** `size` in such parts; R2 takes up to 10,000. */
    parts: 640,
    /** Open in one project: more is no person at work. */
    openMax: 100,
    /** The signed right to send a part, and the tag that R2 gives it: 34 characters with quotes, more where it is encrypted. */
    tokenMax: 2000,
    etagMax: 200,
    /** Parts that are missing or others, as an error names them. */
    issuesMax: 10,
    /** An upload that is not complete by then is given up; its parts are removed. */
    ttl: day,
    /** Up to here bytes are verified while the client waits: a second or two. */
    verifyNow: 128 * MiB,
    /** Whoever verifies the bytes of an upload has so long before another may try: reading 5 GiB twice takes three minutes. */
    verifyClaim: 15 * minute,
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
    /** Of what a clean-up by hand may leave: ten years, older than anything here. */
    ageMax: 3650 * day,
    /** Rows of one read while marking. */
    markRows: 500,
  },

  /** Three-way merges. Work is counted and never timed, so that the same trees always give the same answer. */
  merge: {
    /**
     * Work of aligning two texts, in comparisons of lines (about 2 ns): half a second at the worst. It finds 2,200
     * lines that were moved within a file of any common size. Lines that only one text has cost nothing.
     */
    textWork: 200_000_000,
    /**
     * Work of one merge over all its files, four seconds at the worst: the room serves nobody else meanwhile. It
     * reads 13 million characters of texts that both sides changed.
     */
    work: 2_000_000_000,
    /** JSON nested deeper is merged by line: the field merge recurses. */
    jsonDepth: 100,
    /** Rounds of finding what the hierarchies of a scene disagree about; an honest scene takes one or two. */
    scenePasses: 8,
    /** A text of a conflict, and the fields of one, are shown up to this size; a larger one is read as a file … */
    shownText: 128 * KiB,
    /** … and so is what comes after this much in one answer. */
    shownBytes: 4 * MiB,
  },

  /** Patches between two trees. */
  diff: {
    /** Lines and bytes of all patches of one answer; what does not fit has none. A patch is for reading. */
    lines: 10_000,
    bytes: 2 * MiB,
  },

  /** Builds that are shown to the world under a name. */
  publication: {
    /** A DNS label (RFC 1035 §2.3.4). */
    slugMax: 63,
    /** What is taken of a project's name: leaves room for a suffix. */
    derivedMax: 48,
    /** Tries to find a free slug for a name: the last one has 31⁶ to choose from. */
    slugTries: 5,
    /** Slugs that one project may hold, those that it gave up included: nobody else gets them, so they must be few. */
    slugsPerProject: 10,
    /** Files of a game, its pages apart, believe for so long what is published where: as long as a role may be out of date. */
    memory: 5 * second,
    /** Signed links, unless the request says otherwise … */
    linkTtl: 7 * day,
    /** … and between these: shorter ends before it is sent, longer is a publication. */
    linkTtlMin: minute,
    linkTtlMax: 90 * day,
    /** What opens a build of a private project works for one to two of these: a day of work in one tab, and the same address within one. */
    siteKeyTtl: 12 * 60 * minute,
    /** At a slug, a name that looks hashed may be somebody's own; a day is how long it may be wrong. */
    hashedAge: day,
    /** Slugs of which an isolate remembers what is published there. */
    remembered: 5000,
    /** Smaller files do not gain by compression; the headers are as large. */
    compressMin: 1 * KiB,
    /** Compressed here in one go, some 0.2 s of CPU once per data centre. Larger files are left to the platform's edge, which streams. */
    compressMax: 8 * MiB,
  },

  /** Bundling at the edge, in an isolate of 128 MiB that the compiler's memory shares. */
  preview: {
    /** Text of all sources together: 75 MiB of the compiler's memory, again and again (docs/decisions/0015). */
    sourceBytes: 640 * KiB,
    /** Sources, each of which is a module perhaps. */
    sources: 150,
    /** What is larger goes to a build runner, in one request that waits for the answer. */
    runner: {
      /** Texts that the Worker reads for it: subrequests stay below the 1,000 that every plan has. */
      sources: 800,
      /** Text of them together: the order, its copy on the way and what is made of it stay below half of an isolate's 128 MiB. */
      sourceBytes: 8 * MiB,
      /** The order as JSON: texts with every character escaped are rare, paths of 10,000 files are 1 MiB. */
      orderBytes: 20 * MiB,
      /** What is made of them. */
      outputBytes: 16 * MiB,
      /** A runner that has not answered by now is given up; a container may have to start first. */
      patience: { process: 30 * second, container: 60 * second },
      /** Wall clock in the runner: native, 800 modules take a second. */
      timeout: 20 * second,
      /** Of one user, beside what is counted of builds: every save is one, and one that was bundled before costs nothing. Scaled. */
      rate: { limit: 60, window: minute },
      /** Results are kept so long: whoever comes back to a project after a weekend waits once. */
      keep: 3 * day,
    },
    /** Texts on their way at once; workerd holds six connections that wait for headers. */
    reads: 6,
    /** Specifiers of packages that the sources of a game name. */
    packages: 500,
    /** Packages of a game as modules, minified: Babylon.js with all its parts is 9 MiB. Larger ones are not prepared. */
    packageBytes: 24 * MiB,
    /** Files that they are made of. */
    packageFiles: 1000,
    /** A tsconfig of a package. */
    packageConfigBytes: 32 * KiB,
    /** Lists of packages that one isolate keeps, and builds that have none. */
    packageLists: 100,
    packageless: 1000,
    /** Trees that one isolate remembers, of up to 5,000 entries each, and what their pages were told. */
    trees: 100,
    pages: 500,
    /** Of what a list says that made it: esbuild and its version. */
    toolchainMax: 100,
    /** What is made of them, held by the isolate that serves it. */
    outputBytes: 4 * MiB,
    /** Sites that one isolate of the Worker keeps, by their size together. */
    keptBytes: 24 * MiB,
    /** Texts of sources that one isolate keeps by their hash, so that after an edit only what changed is fetched. */
    keptSources: 16 * MiB,
    /** Mistakes shown of one bundle. */
    problems: 20,
    /** Orders that wait in one isolate of the bundler, which works on one at a time: its memory is for one. */
    waiting: 20,
    /** A bundle that is not done by now will not be. */
    patience: 20 * second,
    /** A signed link works so long; the workspace asks for a new one with every change. */
    linkTtl: 12 * 60 * minute,
    /** What a page of a preview was told is believed for its files: as long as a role may be out of date. */
    memory: 5 * second,
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
