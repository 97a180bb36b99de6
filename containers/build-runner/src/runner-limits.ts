import { limits } from '../../../src/contract/limits.ts';
import { MiB, second } from '../../../src/contract/units.ts';

const GiB = 1024 * MiB;

/**
 * Limits that only the runner knows, each with its reason. What the platform must agree with is in
 * `src/contract/limits.ts`. Sizes are bytes, times milliseconds unless the name says otherwise.
 */
export const runnerLimits = {
  /** A job carries the lock of a large project (a few thousand packages are about 2 MiB). */
  jobBody: 8 * MiB,
  /** The last report has to reach the platform before the platform itself gives the attempt up. */
  reportMargin: 2 * second,
  queue: {
    /** A pulled message is hidden from other runners so long: an attempt at its longest, and the acknowledgement. */
    visibility: limits.build.timeout + 30 * second,
    /** Pause after an empty pull: the API has no long poll, and a person waits. */
    pause: 1 * second,
    /** Longest pause while the API fails; begins at `pause` and doubles, with jitter. */
    pauseMax: 30 * second,
    /** A message that no place was free for, or of which the platform could not be asked, is tried again after this; doubles. */
    retryDelay: 2 * second,
    /** With the ten retries of the queue a platform may be away for six minutes. */
    retryDelayMax: 60 * second,
  },
  /** Events wait so long for company; the last batch does not wait. */
  eventWindow: 200,
  /** With nothing to say the runner asks so often whether the build was cancelled: half of the 2 s promised. */
  cancelPoll: 1 * second,
  /** One request to the platform; a blob of 100 MiB at 5 MB/s fits. */
  requestTimeout: 30 * second,
  /** On top for the bytes of an upload, at this rate at the least: a whole program in 50 s. */
  uploadBytesPerMs: 5 * 1024,
  /** First pause between two tries of a request; doubles up to `retryDelayMax`, with jitter. */
  retryDelay: 200,
  retryDelayMax: 5 * second,
  /** Tries of one transfer; only the reporter goes on until the deadline. */
  transferRetries: 5,
  /** Files fetched, copied or hashed at once: enough to hide a round trip, few enough for two cores. */
  transfers: 24,
  uploads: 8,
  /** Requests at once that carry many small contents each. */
  batches: 4,
  /** Synchronous work on small files holds the thread no longer than this: less than a frame, and the other jobs' answers wait for it. */
  turn: 8,
  /** What is kept on the disk between jobs, and may go whenever there is no room. */
  disk: {
    /** All caches together, of what is free when the runner starts and what they hold by then: the rest is for two jobs at work, of which each has its sources, its outputs and the same once more in an archive. */
    cacheShare: 3 / 4,
    /** Where the disk is full for all that, every cache gives up this part. */
    evictedPart: 1 / 2,
    /** Each cache’s share of it, and above how much more would serve nobody. */
    caches: {
      /** Contents of files. */
      blobs: { share: 4 / 16, bytes: 4 * GiB },
      /** Installed dependency trees: a cold one is what builds wait for longest. */
      modules: { share: 7 / 16, bytes: 8 * GiB },
      /** Optimised assets: few projects ask for them. */
      assets: { share: 2 / 16, bytes: 2 * GiB },
      /** What the registry has answered, packed as it is: a third or less of what it makes installed. */
      npm: { share: 3 / 16, bytes: 3 * GiB },
    },
  },
  /** Small contents in memory, too: a dozen projects of 500 modules. */
  blobMemoryBytes: 32 * MiB,
  /** They are written to disk when none has come for so long: the builds of a burst do not wait for it. */
  blobWriteDelay: 2 * second,
  /** One installed tree: several times the largest engine (Babylon.js with all its packages is about 300 MB). */
  modulesBytes: 1 * GiB,
  modulesFiles: 100_000,
  /** Wishes of projects of which the runner remembers what tree they led to. */
  modulesKnown: 10_000,
  /** Names of packages, as npm takes them, and what is asked of each: a version, a range, an alias. */
  packageName: 214,
  packageSpec: 500,
  /** What npm says, in characters, as far as a person reads it. */
  npmMessage: 1500,
  /** Of an error with its causes, for the operator's log, and of anything else that was thrown. */
  errorText: 2000,
  thrownText: 500,
  /** Files of an archive that are read at once, in bytes: a stream for each of a few small ones takes several times as long as what is in them. */
  zipReadBytes: 4 * MiB,
  /** Of the id of a packaged app: longer than any on a store. */
  appId: 150,
  child: {
    /** V8 heap of the child: it holds the bundle and its map once as bytes, once as text. */
    heapBytes: 1 * GiB,
    /** What Node counts as private memory beside that heap: 575 MB when it does nothing, of which it touches 42. */
    nodeBytes: 640 * MiB,
    /** Private memory of each process of a build (RLIMIT_DATA), at the most: esbuild keeps every syntax tree at once … */
    dataBytes: 3 * GiB,
    /** … and at the most so much of what the runner may use: a child at the end of its heap fits beside it, so that one build alone is told of its limit before all of them run out. */
    dataShare: 5 / 8,
    /** Node does not start with much less. */
    dataBytesMin: 768 * MiB,
    /** Where Go starts to collect in earnest, of its hard limit. */
    goSoftShare: 2 / 3,
    /** Of 1000: how much rather than the runner the kernel ends what builds, where memory is short. */
    oomScore: 500,
    /**
     * Go's heap may grow by so many percent before it is collected, and the first time at 4 MiB × this / 100 (runtime/mgcpacer.go): no build
     * of up to some thousand modules is held up by it, as esbuild's own program never is. esbuild needs what it has until it is done, so a
     * build holds at most a fifth more than at 400; `goSoftShare` is what bounds it (docs/decisions/0021).
     */
    goGrowthPercent: 3200,
    /** Processor time of each process in seconds, unless `BUILD_CPU_SECONDS` says otherwise: two cores busy for the whole attempt would be cut by the clock first. */
    cpuSeconds: (2 * limits.build.timeout) / second,
    openFiles: 4096,
    /** One written file: an output, or a zip that is measured and refused afterwards. */
    fileBytes: 1 * GiB,
    /** Of standard error, for the operator's log when a child dies: half of it the first that was said, half the last. */
    stderrBytes: 4096,
    /** How long a fresh child may take to load. */
    startTimeout: 30 * second,
    /** Children that wait beside one for each place, for each place, unless `RUNNER_RESERVE` says otherwise: with two places, nearly a burst of twenty builds. */
    reservePerPlace: 8,
    /** What one of them takes, the pages that they share counted once: 20 MB were measured. */
    waitingBytes: 24 * MiB,
    /** Of the memory that the runner may use, the reserve takes so much at the most: it serves nothing but the next burst. */
    reserveShare: 1 / 32,
    /** Pause after the last job before the reserve is started: builds of a burst follow one another within it. */
    reserveDelay: second / 2,
  },
  /** An asset that is larger is left as it is: an optimiser needs many times its size. */
  optimizedBytes: limits.optimize.bytes,
  /** Pixels of a picture that is decoded: 8192 × 8192, the largest texture that phones take, is 256 MiB of RGBA. */
  optimizedPixels: 8192 * 8192,
  /** Pixels above which an encoder is told to hurry: what it would save is not worth the minutes. */
  unhurriedPixels: 8_000_000,
  /** More files than this that are read before esbuild sees them, or more endings that it has no loader for, and it asks for all: they would be a long expression. */
  askedNames: 64,
  /** Names of files that code computes are looked for among so many patterns, of so many characters each: a game has a few dozen. */
  patternsInCode: 500,
  nameInCode: 500,
  /** More endings, folders and scripts than this that may be named, and every text is read: they would be a long expression. */
  wantedNames: 200,
  /** Texts are read for names of files up to this size; what is larger is a library, or data. */
  readForNames: 1 * MiB,
  /** Nesting of workers that start workers. */
  workerDepth: 4,
  /** Problems of one kind that are worth reading. */
  diagnostics: 200,
  /** A stopping runner reports its jobs as lost for so long before it exits. */
  shutdownGrace: 3 * second,
} as const;
