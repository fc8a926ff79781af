// A thread that has an SQLite database open, so that the event loop of the main one waits for no disk and no lock. It
// does one thing at a time, in the order in which it was asked. `workerData` is its role: a reader or a writer.

import { parentPort, workerData } from 'node:worker_threads';
import { systemClock as clock } from '../lib/clock.ts';
import { DatabaseMovedError } from './database-moved.ts';
import { LOOK_INTERVAL } from './revision.ts';
import { type OpenOptions, SqliteDatabase } from './sqlite-database.ts';
import { type Reply, type Request, type ThreadCall, toFailure } from './thread-messages.ts';

if (parentPort === null) throw new Error('this file is the start of a thread');
const port = parentPort;
const role = workerData as OpenOptions['role'];

let replies: Reply[] = [];

/** What is answered in one turn of this thread's event loop goes in one message. */
function say(reply: Reply): void {
  if (replies.push(reply) === 1) setImmediate(send);
}

function send(): void {
  port.postMessage(replies);
  replies = [];
}

let database: SqliteDatabase | undefined;
/** Of what is being done. */
let deadline = 0;
let tail: Promise<void> = Promise.resolve();

/** Queues `work` behind what was asked before. It must not reject. */
function enqueue(work: () => Promise<void>): void {
  tail = tail.then(work);
}

port.on('message', (requests: readonly Request[]) => {
  const now = clock.monotonic();
  for (const request of requests) {
    enqueue(async () => {
      deadline = now + request.patience;
      try {
        say({ id: request.id, result: await answer(request) });
      } catch (error) {
        say({ id: request.id, failure: toFailure(error) });
      }
    });
  }
});

async function answer(request: Request): Promise<unknown> {
  switch (request.kind) {
    case 'open':
      await close();
      database = await SqliteDatabase.open(request.file, {
        role,
        mode: request.mode,
        clock,
        deadline: () => deadline,
      });
      return undefined;
    case 'close':
      return close();
    case 'call':
      if (database === undefined) throw new DatabaseMovedError('closed');
      return call(database, request.call, request.args);
  }
}

function call(opened: SqliteDatabase, name: ThreadCall, args: readonly unknown[]): Promise<unknown> {
  if (name === 'probe' || name === 'check') return opened[name]();
  const method = opened.store[name] as (...args: readonly unknown[]) => Promise<unknown>;
  return method.apply(opened.store, [...args]);
}

async function close(): Promise<void> {
  const closing = database;
  database = undefined;
  await closing?.store[Symbol.asyncDispose]();
}

let isLooking = false;
let moved: 'gone' | 'replaced' | undefined;
if (role === 'reader') setInterval(lookSoon, LOOK_INTERVAL).unref();

/** One look at a time, between calls. What is wrong with a locked or damaged database, callers hear. */
function lookSoon(): void {
  if (isLooking) return;
  isLooking = true;
  enqueue(async () => {
    isLooking = false;
    if (database === undefined) return;
    try {
      deadline = 0;
      if (await database.look()) say({ news: 'changed' });
      moved = undefined;
    } catch (error) {
      const how = error instanceof DatabaseMovedError && error.how !== 'closed' ? error.how : undefined;
      // Each time that it is found gone is told once.
      if (how !== undefined && how !== moved) say({ news: how });
      moved = how;
    }
  });
}
