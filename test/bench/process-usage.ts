// What the operating system says of a process and all that it has started: CPU time and resident memory (proc(5)).

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks in a second: the unit of times in /proc. */
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const PAGE_KIB = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' })) / 1024;

export interface Usage {
  /** User and system time of all that live, and of all that have ended and were waited for, in milliseconds. */
  readonly cpu: number;
  /** Resident sizes added up, KiB. Shared pages count once for each process, so it is good for differences only. */
  readonly resident: number;
  readonly processes: number;
}

interface Stat {
  readonly parent: number;
  readonly ticks: number;
  readonly pages: number;
}

/** Of the process `root` and its descendants. Throws if it is not there. */
export function usageOf(root: number): Usage {
  const all = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? readStat(pid) : undefined;
    if (stat !== undefined) all.set(pid, stat);
  }
  if (!all.has(root)) throw new Error(`process ${root} is gone`);
  let ticks = 0;
  let pages = 0;
  let processes = 0;
  for (const [pid, stat] of all) {
    if (!isWithin(pid, root, all)) continue;
    ticks += stat.ticks;
    pages += stat.pages;
    processes += 1;
  }
  return { cpu: (ticks * 1000) / TICKS, resident: pages * PAGE_KIB, processes };
}

function isWithin(pid: number, root: number, all: ReadonlyMap<number, Stat>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at !== 0; at = all.get(at)?.parent) {
    if (at === root) return true;
  }
  return false;
}

function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // It has just ended.
  }
  // The name, in parentheses, may hold anything; the fields behind it start with the third, the state.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  // utime, stime, cutime, cstime.
  return { parent: field(4), ticks: field(14) + field(15) + field(16) + field(17), pages: field(24) };
}
