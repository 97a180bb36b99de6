import { MiB, minute, second } from '../units.ts';

/** The typed client and the web workspace. */
export const clientLimits = {
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
    /** What others wrote is noted so long after it came as what the room has: once for many letters. */
    baseAfter: 1 * second,
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
    /** … and of the builds that would be removed, the largest: the dialog stays one look. */
    cleanupNamed: 5,
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
} as const;
