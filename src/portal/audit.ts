// The audit record: who did what for whom, from where. A line in the log whatever happens, and a row in the store.

import type { Events } from '../events.ts';
import type { Clock } from '../lib/clock.ts';
import { auditRecord, type PortalStore } from '../store/portal-store.ts';
import type { Audit } from './pages-interface.ts';

/** How long records are kept, in milliseconds. */
export const AUDIT_LIFE = 400 * 86_400_000;

export function createAudit({
  store,
  clock,
  events,
}: {
  store: Pick<PortalStore, 'addAudit' | 'audit'>;
  clock: Pick<Clock, 'now'>;
  events: Pick<Events, 'audited' | 'storeFailed'>;
}): Audit {
  return {
    list: (options) => store.audit(options),
    async record(event) {
      const record = auditRecord(event, clock.now());
      events.audited(record);
      try {
        await store.addAudit(record);
      } catch (error) {
        events.storeFailed('audit', error);
      }
    },
  };
}
