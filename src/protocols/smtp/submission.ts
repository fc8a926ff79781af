// A session after login: the upstream connection that belongs to it, and the message that is under way. Client and upstream
// connections are one to one. When the upstream's goes between two messages (it was idle for too long), or had to be broken off
// so that half a message is not delivered, the next MAIL opens another, once.

import type { Admitted } from '../../gate/verdict.ts';
import type { LiveSession } from '../../sessions/live-sessions.ts';
import type { SubmissionPolicy } from './policy.ts';
import type { Allowance } from './quotas.ts';
import type { UpstreamSession } from './upstream.ts';

/** From MAIL to the answer to the message, or to RSET. */
export interface Transaction {
  readonly upstream: UpstreamSession;
  readonly allowance: Allowance;
  /** Addresses may be more than ASCII. */
  readonly utf8: boolean;
  /** When its MAIL came, on the monotonic clock. */
  readonly since: number;
  /** Recipients that the upstream has taken. */
  accepted: number;
  /** Recipients whose answer the upstream still owes. */
  asked: number;
  /** Its refusals have been reported. */
  isReported: boolean;
}

/** One for all: without a reason, each end of a session would make an exception with a stack, which nobody reads. */
const SESSION_ENDED = new Error('the session has ended');

export class Submission {
  readonly admitted: Admitted;
  readonly live: LiveSession;
  readonly policy: SubmissionPolicy;
  transaction: Transaction | undefined;
  /** The end of a message has been sent: its answer is waited for, whatever happens. */
  isFinal = false;
  /** The session is to end when no message is under way. */
  isDraining = false;
  #upstream: UpstreamSession | undefined;
  readonly #open: (signal: AbortSignal) => Promise<UpstreamSession>;
  readonly #abort = new AbortController();

  constructor(options: {
    admitted: Admitted;
    live: LiveSession;
    policy: SubmissionPolicy;
    upstream: UpstreamSession;
    /** Logs in upstream again. */
    open: (signal: AbortSignal) => Promise<UpstreamSession>;
  }) {
    this.admitted = options.admitted;
    this.live = options.live;
    this.policy = options.policy;
    this.#open = options.open;
    this.#take(options.upstream);
  }

  /** Undefined if it has gone. */
  get upstream(): UpstreamSession | undefined {
    return this.#upstream;
  }

  /** The connection there is, or a new one. Rejects with UpstreamLoginError, or with anything once the session has ended. */
  async connected(): Promise<UpstreamSession> {
    if (this.#upstream !== undefined) return this.#upstream;
    const upstream = await this.#open(this.#abort.signal);
    if (this.#abort.signal.aborted) {
      upstream.destroy();
      throw SESSION_ENDED;
    }
    this.#take(upstream);
    return upstream;
  }

  /** Whether the upstream connection on which the message began is still there. */
  isIntact({ upstream }: Transaction): boolean {
    return this.#upstream === upstream;
  }

  /** Breaks the upstream connection off: what is under way on it is not delivered. */
  dropUpstream(): void {
    const upstream = this.#upstream;
    this.#upstream = undefined;
    upstream?.destroy();
  }

  /** The session is to end, or its client is gone. A message whose end has been sent is left to be answered. */
  cutShort(): void {
    this.#abort.abort(SESSION_ENDED);
    if (!this.isFinal) this.dropUpstream();
  }

  endTransaction(): void {
    this.transaction?.allowance.release();
    this.transaction = undefined;
  }

  /** The session is over. */
  end(): void {
    this.#abort.abort(SESSION_ENDED);
    this.endTransaction();
    const upstream = this.#upstream;
    this.#upstream = undefined;
    upstream?.quit();
  }

  #take(upstream: UpstreamSession): void {
    this.#upstream = upstream;
    upstream.onGone(() => {
      if (this.#upstream === upstream) this.#upstream = undefined;
    });
  }
}
