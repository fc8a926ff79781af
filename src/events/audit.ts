// Records of what was done with app passwords, by whom.

import type { User } from '../lib/user.ts';
import { printable } from './fields.ts';
import type { Subject } from './subject.ts';

export function auditEvents({ log }: Subject<never>) {
  return {
    /** Also a row in the store. `passwordId`, `name`: of an app password. */
    audited(record: {
      readonly id: string;
      readonly by: string | null;
      readonly user: User | null;
      readonly action: string;
      readonly from: string | null;
      readonly passwordId: string | null;
      readonly name: string | null;
      readonly detail: string | null;
    }) {
      const { id, by, user, action, from, passwordId, name, detail } = record;
      const line = {
        event: 'audit',
        audit: id,
        action,
        by,
        user,
        from,
        passwordId,
        name: printable(name),
        detail: printable(detail),
      };
      log.info(line, `audit: ${action}`);
    },
  };
}
