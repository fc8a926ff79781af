// The directory behind Postern: a connection of its own for each client's, bound as Postern's account.
//
//   P: 1 ExtendedRequest StartTLS     U: 1 ExtendedResponse success   (if configured; ids begin anew on TLS)
//   P: 1 BindRequest                  U: 1 BindResponse success       (RFC 4511 §4.2; simple, version 3)
//   P: 2 SearchRequest                U: 2 SearchResultEntry, 2 SearchResultDone   (the user's entry: user-entry.ts)
//
// A failure here is never the user's "wrong password": it is unavailable to the client, and loud to the operator.

import type { Socket } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { Secret } from '../../lib/secret.ts';
import type { User } from '../../lib/user.ts';
import type { UpstreamAddress } from '../../upstream/address.ts';
import { connectUpstream, type DialOptions } from '../../upstream/dial.ts';
import { PlaintextBeforeTlsError, UpstreamUnreachableError } from '../../upstream/errors.ts';
import type { LoginTarget, UpstreamTarget } from '../../upstream/target.ts';
import { startTls } from '../../upstream/tls.ts';
import { UpstreamLoginError } from '../admission.ts';
import { DirectoryClient } from './directory-client.ts';
import { type EntryRule, findUserEntry } from './user-entry.ts';

export interface LdapUpstream extends LoginTarget {
  readonly login: {
    /** The service account alone; or on behalf of the user by RFC 4370. */
    readonly method: 'bind' | 'proxied-authorization';
    readonly dn: string;
    readonly password: Secret;
  };
  /** Whether each request tells the directory's log of user and client (controls.ts), the client's address as may be. */
  readonly sessionTracking: boolean;
  readonly sendClientAddress: 'secure' | 'always' | 'never';
  /** null only with `bind`: then nobody's entry is looked for. */
  readonly userEntry: EntryRule | null;
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
export async function openDirectory(target: LdapUpstream, login: DirectoryLogin): Promise<Directory> {
  const { signal, clock, client: source, destination, user } = login;
  const { client, address } = await connectDirectory(target, {
    signal,
    clock,
    client: { source, destination },
  });
  const steps = async () => {
    client.presented = target.login.password;
    await client.bind(target.login.dn, target.login.password);
    const userDn = target.userEntry === null ? null : await findUserEntry(client, target.userEntry, user);
    return { socket: client.socket, rest: client.letGo(), userDn };
  };
  return withDeadline(client, address, target, signal, steps, { session: login.sessionId, user });
}

/** A connection on which nothing was said yet but StartTLS. Rejects with UpstreamLoginError, or with the signal's reason. */
export async function connectDirectory(
  target: LdapUpstream,
  options: Pick<DialOptions, 'signal' | 'clock' | 'client'>,
): Promise<{ client: DirectoryClient; address: UpstreamAddress }> {
  try {
    return await connectUpstream(
      target,
      async (socket, { address }) => ({ client: await secure(target, address, socket), address }),
      { ...options, onConnected: target.onConnected },
    );
  } catch (error) {
    if (error instanceof UpstreamUnreachableError)
      throw new UpstreamLoginError('upstream_unreachable', error.message);
    throw error;
  }
}

/** A directory does not greet. StartTLS belongs to connecting, so that a host that fails in it is followed by the next. */
async function secure(
  target: UpstreamTarget,
  address: UpstreamAddress,
  socket: Socket,
): Promise<DirectoryClient> {
  const client = new DirectoryClient(socket);
  if (target.tls !== 'starttls') return client;
  await client.startTls();
  // RFC 4511 §4.14.1: what comes in clear behind the answer is not the directory's word (CVE-2021-33515).
  if (client.letGo().length > 0) {
    socket.destroy();
    throw new PlaintextBeforeTlsError();
  }
  return new DirectoryClient(await startTls(socket, target, address));
}

/** Runs the login's steps within their time. If they fail, the connection is gone. */
export async function withDeadline<T>(
  client: DirectoryClient,
  address: UpstreamAddress,
  target: LdapUpstream,
  signal: AbortSignal | undefined,
  steps: () => Promise<T>,
  login?: Parameters<LdapUpstream['onFailed']>[2],
): Promise<T> {
  const late = setTimeout(
    () => client.fail('upstream_unreachable', 'no end of the login'),
    target.loginDeadline,
  );
  const abort = () => client.fail('session_ended', 'the client is gone or its session was ended');
  signal?.addEventListener('abort', abort);
  try {
    if (signal?.aborted) abort();
    return await steps();
  } catch (error) {
    client.socket.destroy();
    // It answered, and then went or fell silent: the operator wants to know that as much as a refused connection.
    if (error instanceof UpstreamLoginError && error.reason === 'upstream_unreachable')
      target.onFailed(address, error, login);
    throw error;
  } finally {
    clearTimeout(late);
    signal?.removeEventListener('abort', abort);
  }
}
