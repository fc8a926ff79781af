// The user's own entry in the directory, by what the config says of it. It has to be there: slapd lets a proxied request go on
// for a name that fits its authzTo and that no entry has (measured).

import { type DnTemplate, fillDnTemplate, userFields } from '../../lib/distinguished-name.ts';
import { fillFilter, type SearchFilter } from '../../lib/search-filter.ts';
import type { User } from '../../lib/user.ts';
import { UpstreamLoginError } from '../admission.ts';
import type { DirectoryClient } from './directory-client.ts';

/** How the user's own entry is found. Values are put in escaped (RFC 4514 §2.4, RFC 4515 §3). */
export type EntryRule =
  /** A distinguished name with `{user}`, `{local}` and `{domain}` in it; that there is such an entry is asked for. */
  | { readonly template: DnTemplate }
  /** A search below `base`, of which exactly one entry must come. */
  | { readonly base: string; readonly filter: { readonly filter: SearchFilter } };

export const ANY_ENTRY: SearchFilter = { kind: 'present', attribute: 'objectClass' };
/** Seconds that the directory may look. */
const TIME_LIMIT = 10;

/** The entry's name, as the directory writes it. Rejects with UpstreamLoginError: `upstream_no_entry` if there is none, or more than one. */
export async function findUserEntry(client: DirectoryClient, rule: EntryRule, user: User): Promise<string> {
  const fields = userFields(user);
  const common = { attributes: ['1.1'], timeLimit: TIME_LIMIT };
  const entries =
    'template' in rule
      ? await client.search({
          ...common,
          base: fillDnTemplate(rule.template, fields),
          scope: 0,
          filter: ANY_ENTRY,
        })
      : await client.search({
          ...common,
          base: rule.base,
          scope: 2,
          filter: fillFilter(rule.filter.filter, { ...fields }),
        });
  const [entry, other] = entries;
  // An empty name would be nobody's: anonymous, to RFC 4370 §3.
  if (entry === undefined || entry.dn === '')
    throw new UpstreamLoginError(
      'upstream_no_entry',
      'the user has no entry there that Postern’s account may see',
    );
  if (other !== undefined)
    throw new UpstreamLoginError(
      'upstream_no_entry',
      'the user has more than one entry there: see userSearch',
    );
  return entry.dn;
}
