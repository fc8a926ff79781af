// The directory behind Postern: connecting to it, and binding there.

import type { Socket } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { DnTemplate } from '../../lib/distinguished-name.ts';
import type { SearchFilter } from '../../lib/search-filter.ts';
import type { Secret } from '../../lib/secret.ts';
import type { User } from '../../lib/user.ts';
import type { UpstreamAddress, UpstreamTarget } from '../../upstream/target.ts';
import { UpstreamLoginError } from '../admission.ts';

/** How the user's own entry is found. Values are put in escaped (RFC 4514 §2.4, RFC 4515 §3). */
export type EntryRule =
  /** A distinguished name with `{user}`, `{local}` and `{domain}` in it; that there is such an entry is asked for. */
  | { readonly template: DnTemplate }
  /** A search below `base`, of which exactly one entry must come. */
  | { readonly base: string; readonly filter: { readonly filter: SearchFilter } };

export interface LdapUpstream extends UpstreamTarget {
  readonly login: {
    /** The service account alone; or on behalf of the user by RFC 4370. */
    readonly method: 'bind' | 'proxied-authorization';
    readonly dn: string;
    readonly password: Secret;
  };
  /** null only with `bind`: then nobody's entry is looked for. */
  readonly userEntry: EntryRule | null;
  /** Milliseconds from connected to bound. */
  readonly loginDeadline: number;
  readonly onConnected: (address: UpstreamAddress, seconds: number) => void;
  /** It was connected, and then went or fell silent. Failed connections are for its health to tell. */
  readonly onFailed: (address: UpstreamAddress, error: Error) => void;
}

/** What clients may do in the directory, by route: `Admitted.route` is its index. */
export interface DirectoryPolicy {
  readonly operations: ReadonlySet<DirectoryOperation>;
  /** The most entries that a search may ask for; null: what the directory allows. */
  readonly maxEntries: number | null;
  /** The longest time that a search may ask for, in seconds; null: what the directory allows. */
  readonly maxSeconds: number | null;
}

export const DIRECTORY_OPERATIONS = [
  'search',
  'compare',
  'add',
  'delete',
  'modify',
  'modifyDn',
  'passwordModify',
] as const;
export type DirectoryOperation = (typeof DIRECTORY_OPERATIONS)[number];

export interface DirectoryLogin {
  readonly user: User;
  readonly client: { readonly address: string; readonly port: number };
  /** What the client has connected to. */
  readonly destination: { readonly address: string; readonly port: number };
  readonly sessionId: string;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** A directory that Postern's own account is bound to. */
export interface Directory {
  /** Paused, without listeners but an 'error' handler that does nothing; `allowHalfOpen`. */
  readonly socket: Socket;
  /** What came behind the login's answers. */
  readonly rest: Buffer;
  /** The user's own entry; null if nobody's is looked for. */
  readonly userDn: string | null;
}

// How a bind name becomes a user is the gate's matter, whatever the name is (a DN, DOMAIN\user, user@domain, a bare name): a
// session gives it to `admit` as the login, as it came. So the look-up of names that no template covers happens after the
// secret's shape was looked at, and within the constant delay of a refusal.

/** Rejects with UpstreamLoginError, or with anything once the signal has aborted. */
export async function openDirectory(_target: LdapUpstream, _login: DirectoryLogin): Promise<Directory> {
  throw new UpstreamLoginError('upstream_unreachable', 'not built yet');
}
