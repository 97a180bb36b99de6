// `npm run dev`: the whole system on this machine, until Ctrl-C.
import { resolve } from 'node:path';
import { fail, readArguments } from './lib/command.ts';
import { root } from './lib/paths.ts';
import { portIsFree } from './lib/processes.ts';
import { type DatabaseChoice, System } from './lib/system.ts';

const usage = `usage: npm run dev -- [options]
  --port N         port of the app (8787)
  --runner-port N  port of the build runner (the port after)
  --db WHAT        d1 (the default), postgres for a PostgreSQL of its own, or the URL of one: postgres://…
  --state DIR      where data, caches and logs live (.kiln)
`;

const say = (text: string): boolean => process.stdout.write(`${text}\n`);

const { values } = readArguments(usage, {
  options: {
    port: { type: 'string', default: '8787' },
    'runner-port': { type: 'string' },
    db: { type: 'string', default: 'd1' },
    state: { type: 'string', default: '.kiln' },
  },
});
const port = Number(values.port);
const runnerPort = Number(values['runner-port'] ?? port + 1);
for (const [name, number] of [
  ['--port', port],
  ['--runner-port', runnerPort],
] as const) {
  if (!Number.isInteger(number) || number < 1 || number > 65535) fail(`${name} must be a port number.\n${usage}`);
  if (!(await portIsFree(number)))
    fail(`Port ${number} is taken. Stop what listens there, or choose another with ${name} N.`);
}

const isChoice = (text: string): text is DatabaseChoice => /^(?:d1|postgres|postgres(?:ql)?:\/\/.+)$/.test(text);
if (!isChoice(values.db)) fail(`--db is d1, postgres or the URL of a PostgreSQL database.\n${usage}`);

const system = new System({ port, runnerPort, state: resolve(root, values.state), db: values.db, say });
let stopping = false;
const stop = async (code: number): Promise<void> => {
  if (stopping) return;
  stopping = true;
  say('\nStopping …');
  await system.stop();
  process.exit(code);
};
process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));
process.on('SIGHUP', () => void stop(0));

try {
  await system.start();
  say(
    `\n  Kiln is ready:  ${system.origin}\n\n  API reference:  ${system.origin}/docs\n  Mails it sent:  ${system.origin}/dev/mail\n  Data and logs:  ${system.options.state}\n  Stop it:        Ctrl-C\n`,
  );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  await stop(1);
}
