import { day, KiB, MiB, minute, second } from '../units.ts';

/** Media: on their way in, what is read of them, and what is made of them. */
export const assetsLimits = {
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
    /** Number of a version that somebody asks for: what is larger is a mistake. */
    versionMax: 1_000_000_000,
    /** A mark of all assets for a checkpoint that a change of one overtook is made anew so often. */
    markAttempts: 3,
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
} as const;
