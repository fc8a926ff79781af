// `users`: how a login becomes a user.

import { z } from 'zod';
import { dnKey, parseDn } from '../../lib/distinguished-name.ts';
import { parseUser } from '../../lib/user.ts';
import { listOf, nameOf, optional, reshaped, section } from '../shapes.ts';
import { suggestion } from '../suggest.ts';
import { distinguishedName, dnTemplate, domain, duration, filterTemplate, text } from '../values.ts';
import type { Written } from '../written.ts';

const NETBIOS = 'must be a NetBIOS domain: at most 15 letters, digits and hyphens';

export const usersSchema = section({
  /** The domain of a login that has none: `alice` is `alice@example.com`. Without it, such a login is refused. */
  defaultDomain: optional(domain('example.com')),
  /** From NetBIOS to DNS domain: with `EXAMPLE: example.com`, `EXAMPLE\alice` is `alice@example.com`. */
  netbiosDomains: rekeyed(
    z.record(
      z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$/, { error: NETBIOS }),
      domain('example.com'),
      {
        error: 'must be a map from NetBIOS domains to DNS domains',
      },
    ),
    (name) => name.toUpperCase(),
  ).prefault({}),
  /**
   * What users bind to LDAP as: with `uid={local},ou=people,dc=example,dc=com` that entry is `{local}` at
   * `defaultDomain`; `{user}` is all of it, `{domain}` the domain. The first that fits.
   */
  dnTemplates: listOf(dnTemplate()).prefault([]),
  /**
   * From single distinguished names to users: for services that bind to LDAP as themselves, such as
   * `cn=nextcloud,ou=services,dc=example,dc=com`.
   */
  dns: rekeyed(
    z.record(z.string(), text('must be a user such as alice@example.com', parseUser), {
      error: 'must be a map from distinguished names to users',
    }),
    (name) => dnKey(parseDn(name) ?? []),
  ).prefault({}),
  /** LDAP: where to look for a name that none of the above makes a user of. */
  directory: optional(
    section({
      /** Where to look: an upstream with `protocol: ldap`. */
      upstream: nameOf('the name of an upstream'),
      /** The entry below which to look. Names of entries elsewhere are nobody’s. */
      base: distinguishedName('ou=people,dc=example,dc=com'),
      /**
       * What to look for (RFC 4515); `{login}` is the name that was typed. One entry alone has to fit. A distinguished
       * name is read as it is.
       */
      filter: filterTemplate('(|(uid={login})(mail={login}))', ['login']),
      /** The attribute that holds the user. It has to have one value, that of the user or a name for it. */
      attribute: text('must be the name of an attribute such as mail', (written) =>
        /^[a-z][a-z0-9-]*$/i.test(written) ? written : undefined,
      ).prefault('mail'),
      /** How long it may take, from connecting on. */
      timeout: duration('10ms', '10s').prefault('1s'),
      /** How long an answer is remembered. */
      remember: duration('0s', '1h').prefault('1m'),
    }),
  ),
}).prefault({});

/** A map by canonical keys. */
function rekeyed<Value extends z.ZodType>(
  schema: z.ZodRecord<z.ZodString, Value>,
  canonical: (key: string) => string,
) {
  type Map = Record<string, z.output<Value>>;
  return reshaped(
    schema,
    (map) => Object.fromEntries(Object.entries(map).map(([key, value]) => [canonical(key), value])) as Map,
    (map) => map as z.output<typeof schema>,
  );
}

/** NetBIOS names have no case, so two spellings of one would be two answers. */
export function checkUsers(users: Written): void {
  checkDns(users);
  const seen = new Map<string, string>();
  for (const [name, value] of users.get('netbiosDomains').entries()) {
    const first = seen.get(name.toUpperCase());
    if (first !== undefined) value.wrongKey(`is ${first} in another case, must be written once`);
    else seen.set(name.toUpperCase(), name);
  }
}

function checkDns(users: Written): void {
  const seen = new Map<string, string>();
  for (const [name, value] of users.get('dns').entries()) {
    const dn = parseDn(name);
    if (dn === undefined || dn.length === 0) {
      value.wrongKey(
        'is no distinguished name, must be one such as cn=nextcloud,ou=services,dc=example,dc=com',
      );
      continue;
    }
    const first = seen.get(dnKey(dn));
    if (first !== undefined) value.wrongKey(`is ${first} in another spelling, must be written once`);
    else seen.set(dnKey(dn), name);
  }
  for (const template of users.get('dnTemplates').items()) {
    const { text = '' } = template;
    if (text.includes('{user}') || text.includes('{domain}') || users.get('defaultDomain').isWritten)
      continue;
    template.wrong('has no domain in it, must have {domain} or {user} too, or stand beside defaultDomain');
  }
}

/** Names are looked up in an upstream that exists and speaks LDAP. */
export function checkNameDirectory(users: Written, upstreams: Written): void {
  const name = users.get('directory').get('upstream');
  if (name.text === undefined) return;
  const known = new Map(upstreams.entries());
  const upstream = known.get(name.text);
  if (!upstream) name.wrong(`names no upstream, ${suggestion(name.text, [...known.keys()])}`);
  else if (upstream.get('protocol').isWritten && upstream.get('protocol').text !== 'ldap') {
    name.wrong('names an upstream of another protocol, must be one with protocol: ldap');
  }
}
