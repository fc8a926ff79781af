// `protocol`, of a listener and of an upstream.

import { SPOKEN_PROTOCOLS } from '../../lib/protocol.ts';
import { choice } from '../values.ts';

export function protocol() {
  return choice(SPOKEN_PROTOCOLS, 'other protocols are not supported by this version');
}
