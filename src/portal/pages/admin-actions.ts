// What an admin can do to a person. Each is asked for on a page, done, logged and recorded.

import type { User } from '../../lib/user.ts';
import type { PortalDeps } from '../pages-interface.ts';
import { en } from '../texts.ts';

export interface AdminAction {
  /** The last word of its address. */
  readonly name: string;
  readonly title: string;
  readonly effect: string;
  readonly submit: string;
  readonly isDangerous: boolean;
  /** It is about one app password, and needs its id. */
  readonly isOfPassword: boolean;
  /** Gives the word for what is done, of `texts.adminPages.done`. */
  run(deps: PortalDeps, order: Order): Promise<keyof typeof en.adminPages.done>;
}

export interface Order {
  readonly by: User;
  readonly from: string;
  readonly user: User;
  readonly id: string | null;
}

const t = en.adminPages;

export const ADMIN_ACTIONS: readonly AdminAction[] = [
  {
    name: 'delete',
    title: t.deleteTitle,
    effect: en.delete.effect,
    submit: en.delete.submit,
    isDangerous: true,
    isOfPassword: true,
    async run(deps, { by, from, user, id }) {
      const records = (await deps.passwords.list({ user })).filter((record) => record.id === id);
      const revoked = await deps.passwords.revoke({ ids: records.map((record) => record.id), user });
      for (const record of records.filter((one) => revoked.includes(one.id))) {
        const { name } = record;
        await deps.audit.record({ by, user, action: 'deleted', from, passwordId: record.id, name });
        deps.notify.deleted([record], { by, from });
      }
      return 'deleted';
    },
  },
  {
    name: 'delete-all',
    title: t.deleteAllTitle,
    effect: en.deleteAll.effect,
    submit: en.deleteAll.submit,
    isDangerous: true,
    isOfPassword: false,
    async run(deps, { by, from, user }) {
      const present = await deps.passwords.list({ user });
      const revoked = await deps.passwords.revoke({ user });
      if (revoked.length > 0) {
        await deps.audit.record({ by, user, action: 'deleted_all', from, detail: `${revoked.length}` });
        deps.notify.deleted(
          present.filter(({ id }) => revoked.includes(id)),
          { by, from },
        );
      }
      return 'deletedAll';
    },
  },
  {
    name: 'disable',
    title: t.disableTitle,
    effect: t.disableText,
    submit: t.disable,
    isDangerous: true,
    isOfPassword: false,
    async run(deps, { by, from, user }) {
      const isNew = await deps.passwords.setUserDisabled(user, true);
      if (isNew) await deps.audit.record({ by, user, action: 'disabled', from });
      return 'disabled';
    },
  },
  {
    name: 'enable',
    title: t.enableTitle,
    effect: t.enableText,
    submit: t.enable,
    isDangerous: false,
    isOfPassword: false,
    async run(deps, { by, from, user }) {
      const isNew = await deps.passwords.setUserDisabled(user, false);
      if (isNew) await deps.audit.record({ by, user, action: 'enabled', from });
      return 'enabled';
    },
  },
  {
    name: 'end-sessions',
    title: t.endSessionsTitle,
    effect: t.endSessionsText,
    submit: t.endSessions,
    isDangerous: true,
    isOfPassword: false,
    async run(deps, { by, from, user }) {
      const mail = deps.sessions.end({ user }, 'admin');
      const portal = await deps.people.endPortalSessions(user);
      const detail = `${mail} connections, ${portal} sign-ins`;
      await deps.audit.record({ by, user, action: 'sessions_ended', from, detail });
      return 'ended';
    },
  },
];
