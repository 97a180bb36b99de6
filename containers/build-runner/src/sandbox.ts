import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { KiB, MiB } from '../../../src/contract/units.ts';
import { heapBytes, type ProcessCaps } from './process-caps.ts';
import { runnerLimits } from './runner-limits.ts';

/** `unshare` flags that give a process a network of its own with nothing in it, where the kernel lets us. */
const isolateNetwork = ['unshare', '--user', '--map-current-user', '--net', '--ipc', '--'];

const canIsolateNetwork =
  process.platform === 'linux' &&
  spawnSync('/usr/bin/env', [...isolateNetwork, 'true'], { env: { PATH: '/usr/bin:/bin' }, stdio: 'ignore' }).status ===
    0;

/** What holds a child, for the start-up log line. */
export const isolation = { rlimits: process.platform === 'linux', network: canIsolateNetwork } as const;

const { child: limits } = runnerLimits;

/** RLIMIT_DATA and not RLIMIT_AS: V8 and Go reserve far more address space than they ever touch. */
const rlimits = (caps: ProcessCaps): string =>
  [
    // Out of memory, the kernel ends what builds rather than the runner, which has several builds. Everybody may ask to be taken first.
    `{ { echo ${limits.oomScore} > /proc/self/oom_score_adj; } 2>/dev/null || :; }`,
    'ulimit -c 0',
    `ulimit -d ${Math.floor(caps.dataBytes / KiB)}`,
    // The first one tells the process, which ends Node; Go takes no notice, and is killed by the second.
    `ulimit -S -t ${caps.cpuSeconds}`,
    `ulimit -H -t ${caps.cpuSeconds + 1}`,
    `ulimit -n ${limits.openFiles}`,
    // In blocks of 512 bytes (POSIX).
    `ulimit -f ${limits.fileBytes / 512}`,
  ].join(' && ');

export interface SandboxOptions {
  readonly script: string;
  /** Of the script. */
  readonly args?: readonly string[];
  readonly cwd: string;
  readonly nodeFlags: readonly string[];
  /** The whole environment: nothing of the runner's own is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly network: boolean;
  readonly caps: ProcessCaps;
}

/**
 * Starts a Node process with a given environment and nothing else, in a process group of its own, with
 * resource limits that its own children inherit, and with an IPC channel to us.
 */
export const startSandboxed = (options: SandboxOptions): ChildProcess => {
  const node = [
    process.execPath,
    `--max-old-space-size=${Math.floor(heapBytes(options.caps) / MiB)}`,
    ...options.nodeFlags,
    options.script,
    ...(options.args ?? []),
  ];
  const confined = canIsolateNetwork && !options.network ? [...isolateNetwork, ...node] : node;
  const command = isolation.rlimits
    ? ['/bin/sh', '-c', `${rlimits(options.caps)} && exec "$@"`, 'sh', ...confined]
    : confined;
  const [file = process.execPath, ...args] = command;
  return spawn(file, args, {
    cwd: options.cwd,
    env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', TZ: 'UTC', NODE_ENV: 'production', ...options.env },
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
};

/** Kills a process and everything that it started. Once the process is gone its number may be another's, so it is left alone then. */
export const killGroup = (child: ChildProcess): void => {
  if (child.exitCode === null && child.signalCode === null) killGroupOf(child.pid);
};

const killGroupOf = (pid: number | undefined): void => {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is gone, which is what was wanted.
  }
};

/** How a process ended, with the first and the last of what it wrote to standard error: Go says why it ends first, and then a long story. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Follows a process to its end. Register it at once after the start: an end that nobody awaits must not throw. */
export const followProcess = (child: ChildProcess): Promise<ProcessEnd> => {
  const half = limits.stderrBytes / 2;
  let first = '';
  let last = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const room = half - first.length;
    first += text.slice(0, room);
    last = (last + text.slice(room)).slice(-half);
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, stderr: error.message }));
    // What it may have left behind shares its group, and would hold standard error open.
    child.once('exit', () => killGroupOf(child.pid));
    child.once('close', (code, signal) => resolve({ code, signal, stderr: first + last }));
  });
};
