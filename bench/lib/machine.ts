import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';

/** Ticks of /proc a second: USER_HZ, 100 on every Linux (proc(5), sysconf(_SC_CLK_TCK)). */
const ticksPerSecond = 100;
const pageSize = 4096;

interface Reading {
  /** `performance.now()`. */
  readonly at: number;
  /** Ticks of all cores, busy with anything, taken by other guests, and in all; null where there is no /proc. */
  readonly machine: { readonly busy: number; readonly steal: number; readonly all: number } | null;
  /** Seconds of CPU of this process, the load generator. */
  readonly own: number;
  /** Seconds of CPU of the server's process tree. */
  readonly server: number | null;
  readonly serverMemory: number | null;
}

/** What the machine did between two moments. Cores are 1.0 for one core fully used. */
export interface Usage {
  readonly seconds: number;
  /** Seconds of CPU that the server's process tree used. */
  readonly serverCpu: number | null;
  readonly serverMemory: number | null;
  readonly generatorCores: number;
  /** Used by neither server nor generator: the noise of this measurement. */
  readonly foreignCores: number | null;
  /** Taken by other guests of the host, of all cores. */
  readonly stealShare: number | null;
}

function machineTicks(): Reading['machine'] {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const busy = user + nice + system + irq + softirq;
    return { busy, steal, all: busy + idle + iowait + steal };
  } catch {
    return null;
  }
}

/** CPU and memory of a process and all its descendants. */
function processTree(root: number): { cpu: number; memory: number } | null {
  const processes = new Map<number, { parent: number; cpu: number; memory: number }>();
  try {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        // The command's name may hold spaces and parentheses; fields are counted from behind it.
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        processes.set(Number(name), {
          parent: Number(fields[1]),
          // Its own, and that of children that have ended and that it has heard of.
          cpu: [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / ticksPerSecond,
          memory: Number(fields[21]) * pageSize,
        });
      } catch {
        // It ended meanwhile.
      }
    }
  } catch {
    return null;
  }
  let cpu = 0;
  let memory = 0;
  for (const [pid, own] of processes) {
    let at = pid;
    while (at !== root && at > 1) at = processes.get(at)?.parent ?? 0;
    if (at !== root) continue;
    cpu += own.cpu;
    memory += own.memory;
  }
  return { cpu, memory };
}

export function read(serverPid: number | null): Reading {
  const { user, system } = process.cpuUsage();
  const tree = serverPid === null ? null : processTree(serverPid);
  return {
    at: performance.now(),
    machine: machineTicks(),
    own: (user + system) / 1e6,
    server: tree?.cpu ?? null,
    serverMemory: tree?.memory ?? null,
  };
}

export function usage(from: Reading, to: Reading): Usage {
  const seconds = (to.at - from.at) / 1000;
  const serverCpu = to.server === null || from.server === null ? null : to.server - from.server;
  const own = to.own - from.own;
  const all = to.machine && from.machine ? to.machine.all - from.machine.all : 0;
  const share = (part: number): number => (all > 0 ? part / all : 0);
  return {
    seconds,
    serverCpu,
    serverMemory: to.serverMemory,
    generatorCores: own / seconds,
    foreignCores:
      to.machine && from.machine && serverCpu !== null
        ? Math.max(
            0,
            share(to.machine.busy - from.machine.busy) * os.availableParallelism() - (serverCpu + own) / seconds,
          )
        : null,
    stealShare: to.machine && from.machine ? share(to.machine.steal - from.machine.steal) : null,
  };
}

/** One line about machine and moment, to stand above figures. */
export function describeMachine(): string {
  const model = os.cpus()[0]?.model.trim() ?? process.arch;
  return `${new Date().toISOString()}, ${os.availableParallelism()} cores (${model}), Node ${process.versions.node}, load average ${os
    .loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`;
}

/** A server rests when it uses less than so many cores for one look, in milliseconds; it is waited for so many of them. */
const resting = { cores: 0.05, look: 500, looks: 40 } as const;

/** Waits until a server has done what was left to it. */
export async function rested(pid: number): Promise<void> {
  for (let look = 0; look < resting.looks; look += 1) {
    const before = read(pid);
    await new Promise((resolve) => setTimeout(resolve, resting.look));
    const { serverCpu, seconds } = usage(before, read(pid));
    if (serverCpu === null || serverCpu / seconds < resting.cores) return;
  }
}
