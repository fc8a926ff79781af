// Step 1 of the gate: the name that a client typed becomes a user, or nothing.

import {
  type DistinguishedName,
  type DnTemplate,
  dnKey,
  matchDnTemplate,
  parseDn,
} from '../lib/distinguished-name.ts';
import { parseUser, type User } from '../lib/user.ts';
import { trimmed } from '../lib/white-space.ts';

export interface UserNames {
  /** Appended to a bare name; null: a bare name is nobody. */
  readonly defaultDomain: string | null;
  /** `DOMAIN\name`: NetBIOS domain in upper case → domain. */
  readonly netbiosDomains: Readonly<Record<string, string>>;
  /** What users bind to LDAP as; the first that fits. */
  readonly dnTemplates?: readonly DnTemplate[];
  /** Single distinguished names, as `dnKey` writes them. */
  readonly dns?: Readonly<Record<string, User>>;
}

/**
 * `alice`, `EXAMPLE\alice`, `alice@EXAMPLE.com` and `uid=alice,ou=people,dc=example,dc=com`, with white space around them or not, are
 * the user `alice@example.com`; undefined: no user can be called so.
 */
export function canonicalise(typed: string, names: UserNames): User | undefined {
  const login = withoutSpaceAround(typed);
  // No user has an equals sign in its name, and every distinguished name but the empty one has.
  if (login.includes('=')) return ofDn(parseDn(login), names);
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

/** One text for the spellings of a name that no rule makes a user of: capitals, white space and how a DN is written do not count. */
export function spelling(typed: string): string {
  const login = withoutSpaceAround(typed);
  const dn = login.includes('=') ? parseDn(login) : undefined;
  return (dn === undefined ? login : dnKey(dn)).normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
}

/** The name without what fingers, clipboards and forms put around it. A space that a distinguished name escapes at its end is its own. */
export function withoutSpaceAround(typed: string): string {
  const bare = trimmed(typed);
  return bare.endsWith('\\') && bare.includes('=') ? `${bare} ` : bare;
}

/**
 * Whether an authorization identity (RFC 4616 §2) is no other than whoever logs in: nothing, the same name, or another name of the same
 * user. LDAP's `u:` and `dn:` (RFC 4513 §5.2.1.8) begin no user's name, and are taken everywhere. No directory is asked: a name that
 * only a directory knows is the same if it is written the same.
 */
export function isSelf(authorizationId: string, login: string, names: UserNames): boolean {
  const other = withoutSpaceAround(authorizationId).replace(/^(u|dn):/i, '');
  if (other === '') return true;
  const user = canonicalise(login, names);
  return user === undefined ? spelling(other) === spelling(login) : user === canonicalise(other, names);
}

/** `uid=alice,ou=people,dc=example,dc=com`, by the first template that fits, or by itself. */
function ofDn(dn: DistinguishedName | undefined, names: UserNames): User | undefined {
  if (dn === undefined) return undefined;
  const key = dnKey(dn);
  if (names.dns !== undefined && Object.hasOwn(names.dns, key)) return names.dns[key];
  for (const template of names.dnTemplates ?? []) {
    const found = matchDnTemplate(template, dn);
    if (found === undefined) continue;
    const { user, local, domain = names.defaultDomain } = found;
    if (user !== undefined) return parseUser(user);
    return local === undefined || domain === null ? undefined : parseUser(`${local}@${domain}`);
  }
  return undefined;
}
