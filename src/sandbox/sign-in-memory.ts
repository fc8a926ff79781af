// What the sandbox's sign-in remembers, until the sandbox ends. A store of one's own is what `oidc-provider` wants to be given.

import type { Adapter, AdapterPayload } from 'oidc-provider';

/** Entries of all kinds: the oldest goes. */
const MOST = 5_000;

/** Makes stores that share one memory, one for each kind of thing that the provider keeps. */
export function signInMemory(): (kind: string) => Adapter {
  const entries = new Map<string, { readonly payload: AdapterPayload; readonly until: number }>();
  return (kind) => {
    const key = (id: string) => `${kind} ${id}`;
    const find = async (id: string) => {
      const entry = entries.get(key(id));
      return entry !== undefined && entry.until > Date.now() ? entry.payload : undefined;
    };
    return {
      async upsert(id, payload, expiresIn) {
        entries.delete(key(id));
        entries.set(key(id), { payload, until: Date.now() + (expiresIn ?? Number.POSITIVE_INFINITY) * 1000 });
        for (const oldest of entries.keys()) {
          if (entries.size <= MOST) break;
          entries.delete(oldest);
        }
      },
      find,
      async findByUid(uid) {
        return [...entries.values()].find(({ payload, until }) => payload.uid === uid && until > Date.now())
          ?.payload;
      },
      findByUserCode: async () => undefined,
      async consume(id) {
        const payload = await find(id);
        if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
      },
      async destroy(id) {
        entries.delete(key(id));
      },
      async revokeByGrantId(grantId) {
        for (const [one, { payload }] of entries) if (payload.grantId === grantId) entries.delete(one);
      },
    };
  };
}
