// `npm run accounts -- disable ada@example.org`: what the operator does with somebody's account.
import type { z } from 'zod';
import type { OperatorAccount } from '../src/contract/accounts.ts';
import { fail, readArguments, said } from './lib/command.ts';
import { Operator } from './lib/operator.ts';

const usage = `usage: npm run accounts -- disable ACCOUNT [--reason TEXT] [--url URL]
       npm run accounts -- enable  ACCOUNT [--reason TEXT] [--url URL]
  ACCOUNT        its id, email or user name
  --reason TEXT  for the audit log, which its owner can read
  --url URL      the system (http://localhost:8787); its keys come from AUTH_KEYS or .dev.vars
  --origin URL   its APP_ORIGIN, where that is another address than --url
`;

const { values, positionals } = readArguments(usage, {
  allowPositionals: true,
  options: {
    url: { type: 'string', default: 'http://localhost:8787' },
    origin: { type: 'string' },
    reason: { type: 'string' },
  },
});
const [command, account, ...more] = positionals;
if ((command !== 'disable' && command !== 'enable') || account === undefined || more.length) fail(usage);
try {
  const { url, origin = url, reason } = values;
  const operator = new Operator(url.replace('//localhost', '//127.0.0.1'), origin);
  const answer = await operator.call<z.infer<typeof OperatorAccount>>('POST', `accounts/${command}`, {
    account,
    ...(reason !== undefined && { reason }),
  });
  const { username, state, endedSessions, cancelledBuilds } = answer.account;
  process.stdout.write(
    `${username} is ${state}. Sessions ended: ${endedSessions}. Builds cancelled: ${cancelledBuilds}.\n`,
  );
} catch (error) {
  fail(said(error));
}
