// What lasts, whatever is reloaded: the store, and all that is counted, remembered or joined.

import type { Config } from '../config/config.ts';
import type { LimitsInForce } from '../events/limits.ts';
import type { Events } from '../events.ts';
import { ForgetRevoked } from '../gate/forget-revoked.ts';
import { Parking } from '../gate/parking.ts';
import { RememberedVerifications } from '../gate/remembered.ts';
import { Shedding } from '../gate/shedding.ts';
import { Uses } from '../gate/uses.ts';
import type { Clock } from '../lib/clock.ts';
import { EventLoopWatch } from '../lib/event-loop.ts';
import { Turns } from '../lib/turns.ts';
import { connectionsFor, openFilesLimit } from '../listen/file-descriptors.ts';
import { ConnectionLimits } from '../listen/limits.ts';
import { openKeys } from '../passwords/keys-file.ts';
import { Verifier } from '../passwords/verifier.ts';
import { createAudit } from '../portal/audit.ts';
import { PORTAL_CONNECTIONS } from '../portal/terms.ts';
import { Quotas } from '../protocols/smtp/quotas.ts';
import { LiveSessions } from '../sessions/live-sessions.ts';
import type { openStore as OpenStore } from '../store/open.ts';
import { startQuotaCounts } from '../throttle/quota-counts.ts';
import { startThrottle } from '../throttle/start.ts';

/** Attempts whose look-up may begin in one turn of the event loop. Measured: see docs/performance.md. */
const ATTEMPTS_PER_TURN = { most: 12, mostWithNewcomers: 2 } as const;

export type Lasting = Awaited<ReturnType<typeof startLasting>>;

/** Rejects with ConfigError for what the admin has to mend. */
export async function startLasting(
  config: Config,
  {
    clock,
    events,
    openStore,
  }: { readonly clock: Clock; readonly events: Events; readonly openStore: typeof OpenStore },
  started: AsyncDisposableStack,
) {
  const { redis, limits: bounds, appPasswords } = config;
  const store = started.use(await openStore(config.store.url, { clock, onChange: events.storeChanged }));
  const keys = await openKeys({ file: config.keys.file, store });
  const sessions = started.use(new LiveSessions({ store, clock, events, perUser: bounds.perUser }));
  const limits = started.use(
    await startThrottle({ settings: config.throttle, redis, clock, events, onAsked: events.redisAsked }),
  );
  const verifier = new Verifier({
    ...appPasswords.hash,
    onVerified: events.passwordVerified,
    onRun: events.passwordHashed,
  });
  const remembered = new RememberedVerifications(appPasswords.remember, clock);
  const onFailed = (error: unknown) => events.storeFailed('remembered check', error);
  started.use(new ForgetRevoked({ store, remembered, onFailed }));
  const parking = started.use(new Parking(parkingBounds(config), clock));
  const uses = started.use(new Uses(store, clock, (error) => events.storeFailed('last use', error)));
  const quotas = new Quotas(started.use(await startQuotaCounts({ redis, clock })));
  const shedding = new Shedding(started.use(new EventLoopWatch({ onChange: events.overloadChanged })));
  const connections = new ConnectionLimits({ ...bounds, fileDescriptors: fileDescriptors(config, events) });
  const turns = new Turns({ ...ATTEMPTS_PER_TURN, newcomers: () => connections.newcomers });
  const { throttle } = limits;
  events.limitsInForce(limitsOf(config, connections));
  const audit = createAudit({ store, clock, events });
  return {
    /** What gates are made with. */
    gate: { store, keys, verifier, throttle, remembered, uses, parking, shedding, turns, clock },
    sessions,
    limits,
    connections,
    quotas,
    audit,

    /** Takes other settings for what comes from now on. */
    configure(next: Config): void {
      sessions.configure(next.limits);
      connections.configure(next.limits);
      limits.configure(next.throttle);
      verifier.configure(next.appPasswords.hash);
      remembered.configure(next.appPasswords.remember);
      parking.configure(parkingBounds(next));
      events.limitsInForce(limitsOf(next, connections));
    },
  };
}

function parkingBounds({ throttle }: Config): { total: number; perNetwork: number } {
  return { total: throttle.parked, perNetwork: throttle.parkedPerNetwork };
}

function limitsOf({ limits, appPasswords: { hash } }: Config, connections: ConnectionLimits): LimitsInForce {
  return {
    'limits.connections': limits.connections,
    fileDescriptors: connections.fileDescriptors,
    'limits.beforeLogin': limits.beforeLogin,
    'limits.perNetwork': limits.perNetwork,
    'limits.perUser': limits.perUser,
    'appPasswords.hash.queue': hash.queue,
    'appPasswords.hash.concurrency': hash.concurrency,
  };
}

/** The connections that there are file descriptors for. */
function fileDescriptors({ limits, portal }: Config, events: Events): number {
  const openFiles = openFilesLimit();
  const browsers = portal === null ? 0 : PORTAL_CONNECTIONS;
  const most = connectionsFor(openFiles === undefined ? undefined : openFiles - browsers);
  if (most < limits.connections) events.fewFileDescriptors(most, limits.connections);
  return most;
}
