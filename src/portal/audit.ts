// The audit record: who did what for whom, from where. A line in the log whatever happens, and a row in the store.

import { randomBytes } from 'node:crypto';
import type { Events } from '../events.ts';
import type { Clock } from '../lib/clock.ts';
import type { PortalStore } from '../store/portal-store.ts';
import type { Audit } from './context.ts';

/** How long records are kept, in milliseconds. */
export const AUDIT_LIFE = 400 * 86_400_000;
const LONGEST_DETAIL = 200;

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
      const record = {
        id: `au_${randomBytes(9).toString('base64url')}`,
        at: clock.now(),
        by: event.by,
        user: event.user,
        action: event.action,
        from: event.from,
        passwordId: event.passwordId ?? null,
        name: event.name ?? null,
        detail: event.detail?.slice(0, LONGEST_DETAIL) ?? null,
      };
      events.audited(record);
      try {
        await store.addAudit(record);
      } catch (error) {
        events.storeFailed('audit', error);
      }
    },
  };
}
