// The log: one JSON object a line, written by pino. Only events.ts and the start of the program call it.
//
// A log that cannot be written, on a full disk say, costs lines and not the sessions: what fails waits in memory, within a bound,
// and is written with the next line that can be.

import { type DestinationStream, pino } from 'pino';
import { PRIORITY } from './journal.ts';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Log = Pick<import('pino').Logger, 'error' | 'warn' | 'info' | 'debug' | 'flush' | 'level'>;

/** Lines are collected for so many milliseconds, or up to so many bytes, and then written in one go. */
const BATCH = { milliseconds: 20, bytes: 4096 } as const;

/** Bytes that may wait to be written; lines that come then are lost. */
const MOST_WAITING = 4_194_304;

/** To standard output unless told. `time` is ISO 8601 in UTC, `level` a word, `msg` a sentence; a `Secret` anywhere prints as a placeholder. */
export function createLog(level: LogLevel, destination: DestinationStream = standardOutput()): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, destination);
}

/** What pino tells a destination of the line that comes, if it has `pino.metadata`. */
interface Metadata {
  lastLevel?: number;
}

/** A destination that journald reads, and is told each line's priority. */
export function forJournal(destination: DestinationStream = standardOutput()): DestinationStream {
  return {
    [Symbol.for('pino.metadata')]: true,
    write(this: Metadata, line: string) {
      const label = pino.levels.labels[this.lastLevel ?? 0] as keyof typeof PRIORITY | undefined;
      destination.write(`<${PRIORITY[label ?? 'info']}>${line}`);
    },
  } as DestinationStream;
}

/**
 * A write for each line would cost a login as much as everything else about its lines. The timer runs only while there is
 * something to write; what is left at exit, pino writes.
 */
function standardOutput(): DestinationStream {
  const output = pino.destination({ sync: false, minLength: BATCH.bytes, maxLength: MOST_WAITING });
  surviveErrors(output);
  let isTimed = false;
  const flush = () => {
    isTimed = false;
    output.flush();
  };
  return {
    write(line: string) {
      if (!isTimed) {
        isTimed = true;
        setTimeout(flush, BATCH.milliseconds).unref();
      }
      output.write(line);
    },
  };
}

/** Left to itself it ends the process at an error, and then tries for ever to write the rest. */
function surviveErrors(output: ReturnType<typeof pino.destination>): void {
  let fails = false;
  output.on('error', () => {
    fails = true;
  });
  output.on('write', () => {
    fails = false;
  });
  // Called when the process ends.
  const flushSync = output.flushSync.bind(output);
  output.flushSync = () => {
    if (!fails) flushSync();
  };
}
