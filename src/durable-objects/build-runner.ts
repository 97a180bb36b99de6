import { Container } from '@cloudflare/containers';
import { configOf } from '../core/config.ts';

/** Port that the image listens on. */
const port = 8788;

/**
 * The build runner as a Cloudflare container; elsewhere `RUNNER_URL` names a process instead. Jobs
 * are spread over `max_instances` objects of this class; each runs as many at a time as its image
 * allows, and sleeps when nothing came for a while.
 */
export class BuildRunner extends Container<Env> {
  override defaultPort = port;
  override sleepAfter = '10m';
  override envVars = { KILN_URL: configOf(this.env).appOrigin, HOST: '0.0.0.0', PORT: String(port) };
}
