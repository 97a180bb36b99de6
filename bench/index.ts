import { apiUsage, runApi } from './api.ts';
import { archivesUsage, runArchives } from './archives.ts';
import { assetsUsage, runAssets } from './assets.ts';
import { buildsUsage, runBuilds } from './builds.ts';
import { historyUsage, runHistory } from './history.ts';
import { cleanUp } from './lib/cleanup.ts';
import { print } from './lib/print.ts';
import { mergeUsage, runMerge } from './merge.ts';
import { previewUsage, runPreview } from './preview.ts';
import { projectsUsage, runProjects } from './projects.ts';
import { roomsUsage, runRooms } from './rooms.ts';
import { runSoak, soakUsage } from './soak.ts';

const benches: Readonly<Record<string, (args: readonly string[]) => Promise<boolean>>> = {
  api: runApi,
  archives: runArchives,
  assets: runAssets,
  builds: runBuilds,
  history: runHistory,
  merge: runMerge,
  preview: runPreview,
  projects: runProjects,
  rooms: runRooms,
  soak: runSoak,
};

const [name = '', ...args] = process.argv.slice(2);
const bench = benches[name];
if (!bench || args.includes('--help')) {
  const usages = [
    apiUsage,
    archivesUsage,
    assetsUsage,
    buildsUsage,
    historyUsage,
    mergeUsage,
    previewUsage,
    projectsUsage,
    roomsUsage,
    soakUsage,
  ];
  print(`usage: npm run bench -- <bench> [options]\n\n${usages.join('\n\n')}`);
  process.exit(name === '' || bench ? 0 : 2);
}
let good = false;
try {
  good = await bench(args);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
} finally {
  await cleanUp();
}
process.exit(good ? 0 : 1);
