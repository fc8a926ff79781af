// The service that makes app passwords, for the portal, and what is cleared away in time.

import type { Config } from '../config/config.ts';
import type { Events } from '../events.ts';
import { createPasswords, type Passwords } from '../passwords/service.ts';
import { AUDIT_LIFE } from '../portal/audit.ts';
import type { Store } from '../store/store.ts';
import type { InForce } from './in-force.ts';
import type { Lasting } from './lasting.ts';

/** How often tombstones past their time are looked for, in milliseconds. */
const PURGE_INTERVAL = 3_600_000;

export function startPasswords(
  inForce: Pick<InForce, 'config'>,
  { gate: { store, keys, verifier, clock } }: Pick<Lasting, 'gate'>,
  events: Events,
  started: AsyncDisposableStack,
): Passwords {
  const passwords = createPasswords({
    store,
    keys,
    clock,
    // Those in force.
    get hash() {
      return inForce.config.appPasswords.hash;
    },
    limits: {
      get maxPerUser() {
        return inForce.config.appPasswords.maxPerUser;
      },
    },
    // It costs what a login's verification costs, so it waits in the same queue.
    runHash: (password, parameters, user) => verifier.hash(password, parameters, user),
  });
  const purge = setInterval(() => {
    const now = clock.now();
    Promise.all([passwords.purge(), purgePortal(store, inForce.config, now)]).catch((error: unknown) =>
      events.storeFailed('purge', error),
    );
  }, PURGE_INTERVAL).unref();
  started.defer(() => clearInterval(purge));
  return passwords;
}

/** Sessions that are over, and audit records that are too old. */
function purgePortal(store: Store, { portal }: Config, now: number): Promise<number> {
  return store.purgePortal({
    seenBefore: now - (portal?.sessionIdle ?? 0),
    createdBefore: now - (portal?.sessionMax ?? 0),
    auditBefore: now - AUDIT_LIFE,
  });
}
