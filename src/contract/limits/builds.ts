import { day, KiB, MiB, minute, second } from '../units.ts';

/** Builds, previews, and games that are shown to the world. */
export const buildsLimits = {
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
    /** Files of a manifest that travels with the job, which spares a request: some 100 KB. A job that no runner takes has read them for nothing. */
    jobFiles: 1000,
    /**
     * Texts that travel with it, in bytes: what was written since the build before, or a whole small game, which spares the request for
     * contents. 256 KiB take 6 ms until a runner has them, and a project that large has most of its files on the runner.
     */
    jobTexts: 96 * KiB,
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
    batch: { parts: 64, bytes: 4 * MiB, partBytes: MiB },
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
    /** At a slug, a name that looks hashed may be somebody's own; a day is how long it may be wrong. */
    hashedAge: day,
    /** Slugs of which an isolate remembers what is published there. */
    remembered: 5000,
    /** Smaller files do not gain by compression; the headers are as large. */
    compressMin: 1 * KiB,
    /** Compressed here in one go, some 0.2 s of CPU once per data centre. Larger files are left to the platform's edge, which streams. */
    compressMax: 8 * MiB,
  },
} as const;
