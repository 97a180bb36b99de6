import { KiB, MiB, minute, second } from '../units.ts';

/** What people do together in the room of a project. */
export const roomLimits = {
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
    /** Between two of them that nobody waits for: workerd looks for new requests only when it has nothing to do, and a local store gives it something. */
    blobsPause: 1,
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
} as const;
