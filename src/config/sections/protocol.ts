// `protocol`, of a listener and of an upstream.

import { choice } from '../values.ts';

/** What this version speaks. */
const SUPPORTED = ['imap', 'smtp', 'ldap'] as const;

export function protocol() {
  return choice(SUPPORTED, 'other protocols are not supported by this version');
}
