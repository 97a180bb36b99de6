import { readFileSync } from 'node:fs';

/** How often the kernel has killed a process of our control group, and how often that group was at its limit of memory. */
export interface MemoryEvents {
  readonly kills: number;
  readonly hits: number;
}

const numberIn = (text: string, name: string): number => {
  const found = new RegExp(`^${name} (?<value>\\d+)$`, 'm').exec(text)?.groups?.value;
  if (found === undefined) throw new Error(`the kernel does not tell ${name}`);
  return Number(found);
};

/** Where the counters of a control group lie: below the name that the process has for it, or, inside a container, at the root. */
const readIn = (mount: string, group: string, read: (folder: string) => MemoryEvents): MemoryEvents => {
  try {
    return read(`${mount}${group === '/' ? '' : group}`);
  } catch {
    return read(mount);
  }
};

/** cgroups(7): version 2 says both in one file, version 1 in two. */
const ofVersion2 = (folder: string): MemoryEvents => {
  const text = readFileSync(`${folder}/memory.events`, 'utf8');
  return { kills: numberIn(text, 'oom_kill'), hits: numberIn(text, 'oom') };
};
const ofVersion1 = (folder: string): MemoryEvents => ({
  kills: numberIn(readFileSync(`${folder}/memory.oom_control`, 'utf8'), 'oom_kill'),
  hits: Number(readFileSync(`${folder}/memory.failcnt`, 'utf8')),
});

/**
 * The counters of the control group that this process is in; null where there is none, or it has no limit to tell of. Synchronous: it is asked at
 * the moment of a death. `root`: of the file system, for tests.
 */
export const readMemoryEvents = (root = ''): MemoryEvents | null => {
  try {
    const groups = readFileSync(`${root}/proc/self/cgroup`, 'utf8').split('\n');
    const version1 = groups.find((line) => /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:/.test(line));
    if (version1 !== undefined)
      return readIn(`${root}/sys/fs/cgroup/memory`, version1.split(':').slice(2).join(':'), ofVersion1);
    const version2 = groups.find((line) => line.startsWith('0::')) ?? '0::/';
    return readIn(`${root}/sys/fs/cgroup`, version2.slice('0::'.length), ofVersion2);
  } catch {
    return null;
  }
};

/** Whether the group came to its limit between two readings and lost a process for it. What the rest of the machine took is no reason. */
export const ranOut = (before: MemoryEvents | null, after: MemoryEvents | null): boolean =>
  before !== null && after !== null && after.kills > before.kills && after.hits > before.hits;
