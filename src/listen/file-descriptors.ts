// How many connections this process has file descriptors for. Node raises its soft limit to the hard one when it starts; how
// much that is only the kernel says (proc(5), /proc/PID/limits).

import { readFileSync } from 'node:fs';

/** Store, log, listeners, control and admin connections, Redis, look-ups of host names, Node's own. */
const RESERVE = 64;
/** A session has two: its client's and its upstream's. */
const PER_CONNECTION = 2;

/** The soft limit on this process's open files; undefined where the system does not tell, or has none. */
export function openFilesLimit(read = () => readFileSync('/proc/self/limits', 'utf8')): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(read())?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    // Not Linux, or no /proc.
    return undefined;
  }
}

/** Connections that may be open at a time so that each can have its upstream, and the rest of the process its files; at least 1. */
export function connectionsFor(openFiles: number | undefined): number {
  if (openFiles === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(1, Math.floor((openFiles - RESERVE) / PER_CONNECTION));
}
