// Mail to users about their app passwords. It waits in memory, within a bound, and is tried again for an hour or so; nobody waits
// for it. What is still waiting when Postern stops is lost: the audit record has what was done.

import { createTransport } from 'nodemailer';
import type { Events } from '../events.ts';
import type { Clock } from '../lib/clock.ts';
import type { User } from '../lib/user.ts';
import { createdMail, deletedMail, type MailFacts, type MailText } from './mail-text.ts';
import type { Notify } from './pages-interface.ts';
import type { MailTerms, PortalTerms } from './terms.ts';

const MOST_WAITING = 1_000;
/** Milliseconds before each further try. */
const RETRIES = [10_000, 60_000, 300_000, 1_800_000, 1_800_000];
const SMTP_TIMEOUT = 15_000;

interface Message extends MailText {
  readonly to: User;
  tries: number;
}

export interface NotifyDeps {
  readonly terms: () => PortalTerms;
  readonly clock: Clock;
  readonly events: Pick<Events, 'portalMail'>;
  readonly retries?: readonly number[];
  /** Stands in for SMTP in tests. */
  readonly send?: (mail: MailTerms, message: MailText & { readonly to: User }) => Promise<void>;
}

export class MailNotify implements Notify, Disposable {
  readonly #deps: Required<NotifyDeps>;
  readonly #ready: Message[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #isSending = false;
  #isClosed = false;

  constructor(deps: NotifyDeps) {
    this.#deps = { retries: RETRIES, send: sendBySmtp, ...deps };
  }

  created: Notify['created'] = (record, { by, from }) => {
    this.#enqueue(record.user, (facts) => createdMail(record, facts), by, from);
  };

  deleted: Notify['deleted'] = (records, { by, from }) => {
    const [first] = records;
    if (first === undefined) return;
    this.#enqueue(first.user, (facts) => deletedMail(records, first.user, facts), by, from);
  };

  #enqueue(to: User, write: (facts: MailFacts) => MailText, by: User, from: string): void {
    const { mail, settings } = this.#deps.terms();
    if (mail === null || this.#isClosed) return;
    if (this.#ready.length + this.#timers.size >= MOST_WAITING) {
      this.#deps.events.portalMail('dropped', to, 'too many messages wait');
      return;
    }
    const at = this.#deps.clock.now();
    const text = write({ by, from, at, portal: settings.publicUrl, help: settings.help });
    this.#ready.push({ ...text, to, tries: 0 });
    void this.#sendAll();
  }

  /** One after the other: the server in between is one, too. */
  async #sendAll(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    for (let next = this.#ready.shift(); next !== undefined && !this.#isClosed; next = this.#ready.shift()) {
      await this.#send(next);
    }
    this.#isSending = false;
  }

  async #send(message: Message): Promise<void> {
    const { terms, events, retries, send } = this.#deps;
    const { mail } = terms();
    if (mail === null) return;
    try {
      await send(mail, message);
      events.portalMail('sent', message.to, null);
    } catch (error) {
      const wait = retries[message.tries++];
      // A server's "never" (5xx) stays one.
      const isFinal = wait === undefined || (error as { responseCode?: number }).responseCode! >= 500;
      events.portalMail(isFinal ? 'failed' : 'retried', message.to, whyNot(error));
      if (!isFinal) this.#later(message, wait);
    }
  }

  #later(message: Message, wait: number): void {
    if (this.#isClosed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#ready.push(message);
      void this.#sendAll();
    }, wait).unref();
    this.#timers.add(timer);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#ready.length = 0;
  }
}

function whyNot(error: unknown): string {
  const { responseCode, code, message } = error as { responseCode?: number; code?: string; message?: string };
  return responseCode !== undefined ? `status ${responseCode}` : (code ?? message ?? 'unknown');
}

async function sendBySmtp(
  { from, host, port, tls, login, ca }: MailTerms,
  { to, subject, text }: MailText & { readonly to: User },
): Promise<void> {
  const transport = createTransport({
    host,
    port,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    ...(login !== null && { auth: { user: login.user, pass: login.password.reveal() } }),
    ...(ca !== null && { tls: { ca } }),
    connectionTimeout: SMTP_TIMEOUT,
    greetingTimeout: SMTP_TIMEOUT,
    socketTimeout: SMTP_TIMEOUT,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    // So that no vacation notice comes back (RFC 3834 §5).
    const headers = { 'Auto-Submitted': 'auto-generated' };
    await transport.sendMail({ from, to: { name: '', address: to }, subject, text, headers });
  } finally {
    transport.close();
  }
}
