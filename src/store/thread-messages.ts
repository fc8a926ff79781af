// What the main thread and a store's thread say to each other. Everything in here can be cloned between them.

import { ConfigError } from '../lib/errors.ts';
import { DatabaseMovedError } from './database-moved.ts';
import type { OpenOptions } from './sqlite-database.ts';
import { type Store, StoreUnavailableError } from './store.ts';

/** What a thread can be asked to do, once it has a database open. */
export type ThreadCalls = Omit<Store, 'watch' | typeof Symbol.asyncDispose> & {
  /** Reads, or writes without changing anything. */
  probe(): Promise<void>;
  /** Reads the whole database; rejects if it is damaged. */
  check(): Promise<void>;
};
export type ThreadCall = keyof ThreadCalls;

export type Request = { readonly id: number } & (
  | { readonly kind: 'open'; readonly file: string; readonly mode: OpenOptions['mode'] }
  | { readonly kind: 'call'; readonly call: ThreadCall; readonly args: readonly unknown[] }
  | { readonly kind: 'close' }
) & {
    /** Milliseconds to try while the database is locked, from when the request comes. */
    readonly patience: number;
  };

export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: Failure }
  /** Unasked: something was revoked, or the files are not at their path any more. */
  | { readonly news: 'changed' | 'gone' | 'replaced' };

interface Failure {
  readonly kind: 'moved' | 'unavailable' | 'config' | 'other';
  readonly messages: readonly string[];
  readonly code?: string | undefined;
  readonly how?: DatabaseMovedError['how'];
  readonly stack?: string | undefined;
}

/** Errors lose their class on the way: it is sent as a word. */
export function toFailure(error: unknown): Failure {
  if (error instanceof DatabaseMovedError)
    return { kind: 'moved', messages: [error.message], how: error.how };
  if (error instanceof StoreUnavailableError) {
    return { kind: 'unavailable', messages: [error.message], code: error.code };
  }
  if (error instanceof ConfigError) return { kind: 'config', messages: error.messages };
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: 'other', messages: [message], stack };
}

export function fromFailure({ kind, messages, code, how, stack }: Failure): Error {
  const message = messages.join('\n');
  switch (kind) {
    case 'moved':
      return new DatabaseMovedError(how ?? 'gone');
    case 'unavailable':
      return new StoreUnavailableError(message, { code });
    case 'config':
      return new ConfigError(messages);
    case 'other':
      return Object.assign(new Error(message), stack === undefined ? {} : { stack });
  }
}
