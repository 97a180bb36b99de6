import { day, KiB, MiB, minute, second } from '../units.ts';

/** Projects: their files, their history, and what is done with whole trees. */
export const projectsLimits = {
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
    /** Of the name of an action that the list of activity is narrowed down to: the longest has 25. */
    actionMax: 100,
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
} as const;
