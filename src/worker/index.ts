import { boundedEnv } from '../data/bounded.ts';
import { consume } from '../queues/index.ts';
import { createApp } from './app.ts';
import { scheduled } from './scheduled.ts';

export { AccountGuard } from '../durable-objects/account-guard.ts';
export { BuildRun } from '../durable-objects/build-run.ts';
export { BuildRunner } from '../durable-objects/build-runner.ts';
export { Maintenance } from '../durable-objects/maintenance.ts';
export { ProjectRoom } from '../durable-objects/project-room.ts';
export { Throttle } from '../durable-objects/throttle.ts';

const app = createApp();

export default {
  fetch: app.fetch,
  queue: (batch, env) => consume(batch, boundedEnv(env)),
  scheduled: (controller, env) => scheduled(controller, boundedEnv(env)),
} satisfies ExportedHandler<Env>;
