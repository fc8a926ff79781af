// Connects to an upstream: its addresses in turn, each with a deadline that covers TCP, TLS and the protocol's greeting.

import { connect, type Socket } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import type { UpstreamAddress } from './address.ts';
import type { Breaker } from './breaker.ts';
import { type AddressFailure, UpstreamDeadlineError, UpstreamUnreachableError } from './errors.ts';
import { type ClientConnection, proxyHeader } from './proxy-header.ts';
import type { UpstreamTarget } from './target.ts';
import { startTls } from './tls.ts';

/** What a protocol gets to know about its connection. */
export interface ConnectionFacts {
  /** The address that was dialled; `startTls` wants it. */
  readonly address: UpstreamAddress;
  /** Whether TLS is on. With `starttls` that is for the protocol to see to. */
  readonly encrypted: boolean;
  /** The peer's IP address. */
  readonly remoteAddress: string;
}

export interface DialOptions {
  /** The client is gone, or Postern is stopping: the socket is destroyed at once. */
  readonly signal?: AbortSignal;
  readonly clock: Clock;
  /** Whom the connection is for: told to an upstream with `proxyProtocol`. */
  readonly client?: ClientConnection;
  /** An address is ready, its greeting read; `seconds` since it was dialled. */
  readonly onConnected?: (address: UpstreamAddress, seconds: number) => void;
  /** An address failed. Not called when `signal` is the cause. */
  readonly onFailed?: (address: UpstreamAddress, error: Error) => void;
}

/** Seconds of silence before the kernel asks whether an idle peer is still there: dead NAT entries, hosts that vanish. */
const KEEP_ALIVE_AFTER = 120;

type Open<T> = (socket: Socket, facts: ConnectionFacts) => Promise<T>;

/**
 * Gives what `open` gives for the first address where everything succeeds. Addresses that are known to be down fail at once; a
 * probe of them repeats `open`, for no client, and closes. `open` reads the greeting, and with `starttls`
 * upgrades; what it rejects with makes the next address be tried. The socket has `allowHalfOpen` and an 'error' handler
 * that does nothing, and is destroyed if `open` fails; afterwards it belongs to the caller.
 * Rejects with UpstreamUnreachableError, or with the signal's reason.
 */
export async function connectUpstream<T>(
  upstream: UpstreamTarget,
  open: Open<T>,
  options: DialOptions,
): Promise<T> {
  const { signal, clock, onConnected, onFailed } = options;
  const failures: AddressFailure[] = [];
  for (const { address, breaker } of candidates(upstream)) {
    signal?.throwIfAborted();
    if (breaker?.state === 'down' && breaker.error !== undefined) {
      failures.push({ address, error: breaker.error });
      continue;
    }
    const startedAt = clock.monotonic();
    try {
      const { opened } = await dial(upstream, address, open, options);
      breaker?.succeeded();
      onConnected?.(address, (clock.monotonic() - startedAt) / 1000);
      return opened;
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      failures.push({ address, error });
      breaker?.failed(error, startedAt, async (probing) => {
        const { tcp } = await dial(upstream, address, open, { signal: probing, clock });
        tcp.destroy();
      });
      onFailed?.(address, error);
    }
  }
  throw new UpstreamUnreachableError(upstream.name, failures);
}

function candidates(
  upstream: UpstreamTarget,
): readonly { readonly address: UpstreamAddress; readonly breaker?: Breaker }[] {
  return upstream.health?.candidates() ?? upstream.addresses.map((address) => ({ address }));
}

/** One address. Whatever stops it destroys the socket, also when `open` does not notice. */
async function dial<T>(
  upstream: UpstreamTarget,
  address: UpstreamAddress,
  open: Open<T>,
  { signal, client }: DialOptions,
): Promise<{ opened: T; tcp: Socket }> {
  let phase: UpstreamDeadlineError['phase'] = 'tcp';
  const stopped = Promise.withResolvers<never>();
  const tcp = connect({ ...address, allowHalfOpen: true, noDelay: true });
  let socket: Socket = tcp;
  tcp.on('error', stopped.reject);
  const deadline = setTimeout(() => {
    stopped.reject(new UpstreamDeadlineError(phase, upstream.connectDeadline));
  }, upstream.connectDeadline);
  const onAbort = () => stopped.reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });

  async function steps(): Promise<T> {
    await new Promise((resolve) => tcp.once('connect', resolve));
    tcp.setKeepAlive(true, KEEP_ALIVE_AFTER * 1000);
    if (upstream.proxyProtocol === 'v2') tcp.write(proxyHeader(client));
    const remoteAddress = tcp.remoteAddress ?? '';
    const encrypted = upstream.tls === 'implicit';
    if (encrypted) phase = 'tls';
    socket = encrypted ? await startTls(tcp, upstream, address) : tcp;
    // Not twice on the same one: it is taken off once.
    if (socket !== tcp) socket.on('error', stopped.reject);
    phase = 'greeting';
    return open(socket, { address, encrypted, remoteAddress });
  }

  try {
    return { opened: await Promise.race([steps(), stopped.promise]), tcp };
  } catch (error) {
    // TLS on top of it, also TLS that `open` has started, goes down with it.
    tcp.destroy();
    throw error;
  } finally {
    clearTimeout(deadline);
    signal?.removeEventListener('abort', onAbort);
    // A session lasts for hours: it should not keep alive what was needed to start it.
    for (const each of new Set([tcp, socket])) {
      each.on('error', ignoreError);
      each.off('error', stopped.reject);
    }
  }
}

function ignoreError(): void {}
