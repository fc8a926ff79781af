// What a busy machine does to a measurement of delays: the time that a thread was ready to run and something else ran.

import { readFileSync } from 'node:fs';

/** Milliseconds that a process's main thread has waited for a processor so far (proc(5), schedstat). */
export function starvation(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
}
