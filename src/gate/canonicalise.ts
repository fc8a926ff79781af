// Step 1 of the gate: the name that a client typed becomes a user, or nothing.

import { parseUser, type User } from '../lib/user.ts';

export interface UserNames {
  /** Appended to a bare name; null: a bare name is nobody. */
  readonly defaultDomain: string | null;
  /** `DOMAIN\name`: NetBIOS domain in upper case → domain. */
  readonly netbiosDomains: Readonly<Record<string, string>>;
}

/** `alice`, `EXAMPLE\alice` and `alice@EXAMPLE.com` are the user `alice@example.com`; undefined: no user can be called so. */
export function canonicalise(login: string, names: UserNames): User | undefined {
  const backslash = login.indexOf('\\');
  if (backslash !== -1) {
    // ASCII alone: Unicode's upper case makes an S of a long s and an I of a dotless i.
    const netbios = login.slice(0, backslash).replace(/[a-z]/g, (letter) => letter.toUpperCase());
    const name = login.slice(backslash + 1);
    if (name.includes('@') || !Object.hasOwn(names.netbiosDomains, netbios)) return undefined;
    return parseUser(`${name}@${names.netbiosDomains[netbios]}`);
  }
  if (login.includes('@')) return parseUser(login);
  return names.defaultDomain === null ? undefined : parseUser(`${login}@${names.defaultDomain}`);
}
