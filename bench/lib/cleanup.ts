/** What must be undone however the run ends: processes that were started, folders that were made. */
const tasks: (() => Promise<void> | void)[] = [];
let running: Promise<void> | null = null;

export const onEnd = (task: () => Promise<void> | void): void => {
  tasks.push(task);
};

async function undo(): Promise<void> {
  for (let task = tasks.pop(); task; task = tasks.pop()) await task();
}

export function cleanUp(): Promise<void> {
  running ??= undo().finally(() => {
    running = null;
  });
  return running;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));

// A reader such as `head` that has had enough.
process.stdout.on('error', () => void cleanUp().finally(() => process.exit(1)));
