// The log: one JSON object a line, written by pino. Only events.ts and the start of the program call it.

import { type DestinationStream, pino } from 'pino';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Log = Pick<import('pino').Logger, 'error' | 'warn' | 'info' | 'debug' | 'flush' | 'level'>;

/** `time` is ISO 8601 in UTC, `level` a word, `msg` a sentence; a `Secret` anywhere prints as a placeholder. */
export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
