import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { KiB } from '../../../src/contract/units.ts';
import { runnerLimits } from './runner-limits.ts';

/** `unshare` flags that give a process a network of its own with nothing in it, where the kernel lets us. */
const isolateNetwork = ['unshare', '--user', '--map-current-user', '--net', '--ipc', '--'];

const canIsolateNetwork =
  process.platform === 'linux' &&
  spawnSync('/usr/bin/env', [...isolateNetwork, 'true'], { env: { PATH: '/usr/bin:/bin' }, stdio: 'ignore' }).status ===
    0;

/** What holds a child, for the start-up log line. */
export const isolation = { rlimits: process.platform === 'linux', network: canIsolateNetwork } as const;

const { child: caps } = runnerLimits;

/** RLIMIT_DATA and not RLIMIT_AS: V8 and Go reserve far more address space than they ever touch. */
const rlimits = [
  'ulimit -c 0',
  `ulimit -d ${caps.dataBytes / KiB}`,
  `ulimit -t ${caps.cpuSeconds}`,
  `ulimit -n ${caps.openFiles}`,
  // In blocks of 512 bytes (POSIX).
  `ulimit -f ${caps.fileBytes / 512}`,
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
}

/**
 * Starts a Node process with a given environment and nothing else, in a process group of its own, with
 * resource limits that its own children inherit, and with an IPC channel to us.
 */
export const startSandboxed = (options: SandboxOptions): ChildProcess => {
  const node = [
    process.execPath,
    `--max-old-space-size=${caps.heapMiB}`,
    ...options.nodeFlags,
    options.script,
    ...(options.args ?? []),
  ];
  const confined = canIsolateNetwork && !options.network ? [...isolateNetwork, ...node] : node;
  const command = isolation.rlimits ? ['/bin/sh', '-c', `${rlimits} && exec "$@"`, 'sh', ...confined] : confined;
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

/** How a process ended, with the last of what it wrote to standard error. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Follows a process to its end. Register it at once after the start: an end that nobody awaits must not throw. */
export const followProcess = (child: ChildProcess): Promise<ProcessEnd> => {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-caps.stderrBytes);
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, stderr: error.message }));
    // What it may have left behind shares its group, and would hold standard error open.
    child.once('exit', () => killGroupOf(child.pid));
    child.once('close', (code, signal) => resolve({ code, signal, stderr }));
  });
};
