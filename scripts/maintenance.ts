// `npm run backup`, `npm run restore -- --from …`, `npm run gc`: the operator's commands for a running system.
import { fail, readArguments, said } from './lib/command.ts';
import { Operator } from './lib/operator.ts';

const usage = `usage: npm run backup  -- [--url URL] [--list]
       npm run restore -- --from NAME|latest [--url URL] [--force]
       npm run gc      -- [--url URL] [--dry-run]
  --url URL      the system (http://localhost:8787); its keys come from AUTH_KEYS or .dev.vars
  --origin URL   its APP_ORIGIN, where that is another address than --url
  --list         only show the backups that there are
  --from         the backup to restore: a name that --list shows, or latest
  --force        restore over users and projects that are there: rows of the backup win, others stay
  --dry-run      only say what would be collected
`;

const say = (text: string): boolean => process.stdout.write(`${text}\n`);

const { values, positionals } = readArguments(usage, {
  allowPositionals: true,
  options: {
    url: { type: 'string', default: 'http://localhost:8787' },
    origin: { type: 'string' },
    list: { type: 'boolean', default: false },
    from: { type: 'string' },
    force: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
  },
});
const [command] = positionals;
if (command !== 'backup' && command !== 'restore' && command !== 'gc') fail(usage);

/** `localhost` may mean an address that nothing listens on; the name stays in the token. */
const reachable = (url: string): string => url.replace('//localhost', '//127.0.0.1');

try {
  const operator = new Operator(reachable(values.url), values.origin ?? values.url);
  if (values.list) {
    for (const { name, snapshotAt, engine, rows, rooms, objects } of (await operator.backups()).backups)
      say(`${name}  of ${snapshotAt}, ${engine}: ${rows} rows, ${rooms} rooms, ${objects} objects`);
    process.exit(0);
  }
  if (command === 'restore' && !values.from) fail(`Say which backup: --from NAME, or --from latest.\n${usage}`);
  const job =
    command === 'backup'
      ? await operator.run('backups', undefined, (stage) => say(`  ${stage} …`))
      : command === 'restore'
        ? await operator.run('restore', { from: values.from, force: values.force }, (stage) => say(`  ${stage} …`))
        : await operator.run('gc', { dryRun: values['dry-run'] }, (stage) => say(`  ${stage} …`));
  say(JSON.stringify(job.report, null, 2));
  if (job.status === 'failed') fail(`The ${command} failed: ${job.error}`);
  if (command === 'restore')
    say(
      `\nRestored to ${job.report.snapshotAt}. What was done after that is not in this backup; what was found of it is under "younger".`,
    );
  else say(`\nThe ${command} is done.`);
} catch (error) {
  fail(said(error));
}
