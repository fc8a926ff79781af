// As whom the service runs: whoever owns the directory of its data. What root can read, the service may not.

import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The owner and the group of the nearest directory that is there; null if that is root, or the process is not root itself. */
export function serviceUser(data: string): { readonly uid: number; readonly gid: number } | null {
  if (process.geteuid?.() !== 0) return null;
  let directory = dirname(data);
  let found = statSync(directory, { throwIfNoEntry: false });
  // A directory that the service would make, it makes in one that is root's, or its own.
  while (found === undefined && dirname(directory) !== directory) {
    directory = dirname(directory);
    found = statSync(directory, { throwIfNoEntry: false });
  }
  return found === undefined || found.uid === 0 ? null : { uid: found.uid, gid: found.gid };
}

/** Runs `act` with the rights of that user, its groups included, and takes root's back. */
export async function asUser<Result>(
  user: { readonly uid: number; readonly gid: number } | null,
  act: () => Promise<Result>,
): Promise<Result> {
  if (user === null) return act();
  const [group, groups] = [process.getegid?.() ?? 0, process.getgroups?.() ?? []];
  // A user without an entry has no groups but its own.
  try {
    // Node has it, its types do not.
    (process as { initgroups?: (user: number, group: number) => void }).initgroups?.(user.uid, user.gid);
  } catch {
    process.setgroups?.([user.gid]);
  }
  process.setegid?.(user.gid);
  process.seteuid?.(user.uid);
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(group);
    process.setgroups?.(groups);
  }
}
