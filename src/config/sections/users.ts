// `users`: how a login becomes a user.

import { z } from 'zod';
import { domain, section } from '../values.ts';
import type { Written } from '../written.ts';

const NETBIOS = 'must be a NetBIOS domain: at most 15 letters, digits and hyphens';

export const usersSchema = section({
  defaultDomain: domain('example.com')
    .optional()
    .describe(
      'The domain of a login that has none: `alice` is `alice@example.com`. Without it, such a login is refused.',
    ),
  netbiosDomains: z
    .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$/, { error: NETBIOS }), domain('example.com'), {
      error: 'must be a map from NetBIOS domains to DNS domains',
    })
    .prefault({})
    .describe(
      'From NetBIOS to DNS domain: with `EXAMPLE: example.com`, `EXAMPLE\\alice` is `alice@example.com`.',
    ),
}).prefault({});

/** NetBIOS names have no case, so two spellings of one would be two answers. */
export function checkUsers(users: Written): void {
  const seen = new Map<string, string>();
  for (const [name, value] of users.get('netbiosDomains').entries()) {
    const first = seen.get(name.toUpperCase());
    if (first !== undefined) value.wrongKey(`is ${first} in another case, must be written once`);
    else seen.set(name.toUpperCase(), name);
  }
}
