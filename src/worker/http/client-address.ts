import { networkOf } from '../../core/address.ts';
import type { AppContext } from './context.ts';

/**
 * The network that a request comes from. The platform sets this header itself and drops what a client sends under its
 * name; X-Forwarded-For and its kin are the client's word and are not read. Where no platform sets it, as on a
 * developer's machine, everybody is one.
 */
export function clientNetwork(c: AppContext): string {
  const address = c.req.header('cf-connecting-ip');
  return address === undefined ? 'local' : networkOf(address);
}
