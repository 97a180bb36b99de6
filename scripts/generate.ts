// `npm run db:generate -- --name add_x`: writes the migration from the last release's tables to those of
// src/data/schema/define.ts, for both engines under one number and name. Read them before you commit them:
// docs/operations/database.md says what a migration may do while two releases run.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { inRoot, root } from './lib/paths.ts';
import { runCommand } from './lib/processes.ts';

const { values } = parseArgs({ options: { name: { type: 'string' } } });
if (!values.name || !/^[a-z0-9_]+$/.test(values.name)) {
  process.stderr.write('usage: npm run db:generate -- --name what_it_does\n');
  process.exit(2);
}

for (const config of ['drizzle.config.ts', 'drizzle.postgres.config.ts'])
  process.stdout.write(
    await runCommand(
      process.execPath,
      [inRoot('node_modules', 'drizzle-kit', 'bin.cjs'), 'generate', '--config', config, '--name', values.name],
      { cwd: root },
    ),
  );

const tags = ['migrations', 'migrations/postgres'].map((folder) =>
  (
    JSON.parse(readFileSync(inRoot(folder, 'meta', '_journal.json'), 'utf8')) as { entries: { tag: string }[] }
  ).entries.map((entry) => entry.tag),
);
if (String(tags[0]) !== String(tags[1])) {
  process.stderr.write(`The engines have different migrations: ${tags[0]} and ${tags[1]}.\n`);
  process.exit(1);
}
