// One store thread as the main thread sees it: started at the first request, started again if it died, and never waited
// for longer than a request may take, since a disk can hang.

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { OpenOptions } from './sqlite-database.ts';
import { StoreUnavailableError } from './store.ts';
import { fromFailure, type Reply, type Request } from './thread-messages.ts';

/** Milliseconds that a request may take longer than its patience with locks. */
const GRACE = 5000;
/** And the first one, for which the thread has to be started. */
const START_GRACE = 30_000;

type Question = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class ThreadClient {
  readonly #role: OpenOptions['role'];
  readonly #onNews: (news: 'changed' | 'gone' | 'replaced') => void;
  readonly #grace: number;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  /** Asked in this very moment, and sent in one message: to wake the thread up costs more than what it is asked. */
  #batch: Request[] = [];
  #lastId = 0;
  /** A request that was given up, and that the thread has not answered yet: until then it answers nothing else. */
  #stuckAt: number | undefined;

  constructor(
    role: OpenOptions['role'],
    onNews: (news: 'changed' | 'gone' | 'replaced') => void,
    { grace = GRACE }: { grace?: number } = {},
  ) {
    this.#role = role;
    this.#onNews = onNews;
    this.#grace = grace;
  }

  /** Rejects with what the thread's work threw, or with StoreUnavailableError if it died or does not answer in time. */
  ask(question: Question): Promise<unknown> {
    if (this.#stuckAt !== undefined) return Promise.reject(silent());
    this.#worker ??= this.#start();
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(
      () => this.#giveUp(id),
      question.patience + (question.kind === 'open' ? START_GRACE : this.#grace),
    );
    this.#pending.set(id, { resolve, reject, timer });
    if (this.#batch.push({ id, ...question }) === 1) queueMicrotask(() => this.#send());
    return promise;
  }

  #send(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#worker?.postMessage(batch);
  }

  /** Starts the thread now: two that start side by side are ready sooner. */
  start(): void {
    this.#worker ??= this.#start();
  }

  /** Ends the thread, whatever it does. What was asked and not answered is unavailable. */
  async terminate(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    // The compiled program's thread is compiled too.
    const file = new URL(`./store-thread${extname(import.meta.filename)}`, import.meta.url);
    // What a thread handles is small and short-lived: without a bound it would let tens of megabytes pile up.
    const resourceLimits = { maxYoungGenerationSizeMb: 4 };
    const worker = new Worker(file, { workerData: this.#role, resourceLimits });
    let cause: unknown;
    worker.on('message', (replies: readonly Reply[]) => {
      for (const reply of replies) this.#hear(reply);
    });
    worker.on('error', (error) => {
      cause = error;
    });
    worker.once('exit', () => {
      this.#worker = undefined;
      this.#stuckAt = undefined;
      for (const id of this.#pending.keys()) {
        this.#take(id)?.reject(new StoreUnavailableError("the store's thread ended", { cause }));
      }
    });
    return worker;
  }

  #hear(reply: Reply): void {
    if ('news' in reply) {
      this.#onNews(reply.news);
      return;
    }
    if (reply.id === this.#stuckAt) this.#stuckAt = undefined;
    const asked = this.#take(reply.id);
    if ('failure' in reply) asked?.reject(fromFailure(reply.failure));
    else asked?.resolve(reply.result);
  }

  #giveUp(id: number): void {
    this.#take(id)?.reject(silent());
    // Answers come in order, so the last that was given up is the one to wait for.
    this.#stuckAt = id;
  }

  #take(id: number): Pending | undefined {
    const asked = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(asked?.timer);
    return asked;
  }
}

function silent(): StoreUnavailableError {
  return new StoreUnavailableError('the store does not answer: its disk may hang');
}
