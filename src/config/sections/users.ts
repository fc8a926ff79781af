// `users`: how a login becomes a user.

import { z } from 'zod';
import { dnKey, parseDn, parseDnTemplate } from '../../lib/distinguished-name.ts';
import { parseUser } from '../../lib/user.ts';
import { suggestion } from '../suggest.ts';
import {
  distinguishedName,
  domain,
  duration,
  filterTemplate,
  listOf,
  nameOf,
  parsed,
  section,
} from '../values.ts';
import type { Written } from '../written.ts';

const NETBIOS = 'must be a NetBIOS domain: at most 15 letters, digits and hyphens';

const DN_TEMPLATE =
  'must be a distinguished name with {local} or {user} as one of its values, such as "uid={local},ou=people,dc=example,dc=com"';

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
  dnTemplates: listOf(parsed(DN_TEMPLATE, parseDnTemplate).meta({ title: 'DN template' }))
    .prefault([])
    .describe(
      'What users bind to LDAP as: with `uid={local},ou=people,dc=example,dc=com` that entry is `{local}` at `defaultDomain`; `{user}` is all of it, `{domain}` the domain. The first that fits.',
    ),
  dns: z
    .record(z.string(), parsed('must be a user such as alice@example.com', parseUser), {
      error: 'must be a map from distinguished names to users',
    })
    .prefault({})
    .describe(
      'From single distinguished names to users: for services that bind to LDAP as themselves, such as `cn=nextcloud,ou=services,dc=example,dc=com`.',
    ),
  directory: section({
    upstream: nameOf('the name of an upstream').describe('Where to look: an upstream with `protocol: ldap`.'),
    base: distinguishedName('ou=people,dc=example,dc=com').describe(
      'The entry below which to look. Names of entries elsewhere are nobody’s.',
    ),
    filter: filterTemplate('(|(uid={login})(mail={login}))', ['login']).describe(
      'What to look for (RFC 4515); `{login}` is the name that was typed. One entry alone has to fit. A distinguished name is read as it is.',
    ),
    attribute: parsed('must be the name of an attribute such as mail', (text) =>
      /^[a-z][a-z0-9-]*$/i.test(text) ? text : undefined,
    )
      .prefault('mail')
      .describe(
        'The attribute that holds the user. It has to have one value, that of the user or a name for it.',
      ),
    timeout: duration('10ms', '10s').prefault('1s').describe('How long it may take, from connecting on.'),
    remember: duration('0s', '1h').prefault('1m').describe('How long an answer is remembered.'),
  })
    .optional()
    .describe('LDAP: where to look for a name that none of the above makes a user of.'),
}).prefault({});

/** NetBIOS names have no case, so two spellings of one would be two answers. */
export function checkUsers(users: Written, upstreams: Written): void {
  checkDns(users);
  checkDirectory(users.get('directory'), upstreams);
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

function checkDirectory(directory: Written, upstreams: Written): void {
  const name = directory.get('upstream');
  if (name.text === undefined) return;
  const known = new Map(upstreams.entries());
  const upstream = known.get(name.text);
  if (!upstream) name.wrong(`names no upstream, ${suggestion(name.text, [...known.keys()])}`);
  else if (upstream.get('protocol').isWritten && upstream.get('protocol').text !== 'ldap') {
    name.wrong('names an upstream of another protocol, must be one with protocol: ldap');
  }
}
