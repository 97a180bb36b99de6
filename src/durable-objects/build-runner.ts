import { Container } from '@cloudflare/containers';
import { configOf } from '../core/config.ts';

/** Port that the image listens on. */
const port = 8788;

/**
 * The build runner as a Cloudflare container; elsewhere `RUNNER_URL` names a process instead. There are
 * `max_instances` objects of this class, and each project has one that is asked first (src/queues/runner.ts);
 * each runs as many jobs at a time as its image allows, and sleeps when nothing came for a while.
 */
export class BuildRunner extends Container<Env> {
  override defaultPort = port;
  override sleepAfter = '10m';
  override envVars = { KILN_URL: configOf(this.env).appOrigin, HOST: '0.0.0.0', PORT: String(port) };
}
