// A user whom nobody knows is most likely a slip of the hand: what was asked is done all the same, and that is said.

import type { User } from '../lib/user.ts';
import type { Records } from './open-records.ts';
import type { Terminal } from './terminal.ts';

/** Says so if the user has no app password and has had none that is still remembered. Rejects with StoreUnavailableError. */
export async function noteIfUnknown(
  { store }: Pick<Records, 'store'>,
  user: User,
  terminal: Pick<Terminal, 'stderr'>,
): Promise<void> {
  const { length } = await store.list({ user, tombstones: true });
  if (length > 0) return;
  terminal.stderr(`note: ${user} has no app password, and had none of late: is the name spelt right?\n`);
}
