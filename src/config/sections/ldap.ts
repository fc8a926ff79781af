// `ldap`: what holds for all LDAP listeners.

import { section } from '../shapes.ts';
import { flag, integer } from '../values.ts';

export const ldapSchema = section({
  /**
   * Whether a Bind with neither name nor password succeeds, for clients that insist on it. It gives no right that
   * there is not before Bind: to read the root DSE.
   */
  anonymousBind: flag().prefault(false),
  /**
   * The longest message that a client may send once it is bound, such as an entry with a photo. Before that it is 64
   * KiB.
   */
  maxMessageKiB: integer(64, 1_048_576).prefault(16_384),
}).prefault({});
