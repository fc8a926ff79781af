// Messages and recipients per app password and per user, in an hour and in a day. What the upstream has accepted is counted,
// where all processes see it; what is under way in this process is counted with it, so that a hundred connections at a time do
// not each get the last message.

import type { QuotaLimits } from './policy.ts';

export interface QuotaEntry {
  readonly key: string;
  /** 0 only asks. */
  readonly by: number;
  /** Milliseconds from the first count to the end of it. */
  readonly window: number;
}

/** Where counts are kept: this process, or Redis. */
export interface QuotaCounts {
  /** Adds to each entry and gives the counts, in their order. Never rejects: without Redis it is this process that counts. */
  count(entries: readonly QuotaEntry[]): Promise<readonly number[]>;
}

/** Whose quota it is. */
export interface QuotaSubject {
  /** An app password's id, or a user. */
  readonly name: string;
  readonly limits: QuotaLimits;
}

const HOUR = 3_600_000;
const DAY = 86_400_000;

interface UnderWay {
  messages: number;
  recipients: number;
  /** Recipients that were counted while a message has been under way: whoever asked before that does not know of them. */
  settled: number;
}

export class Quotas {
  readonly #counts: QuotaCounts;
  readonly #underWay = new Map<string, UnderWay>();

  constructor(counts: QuotaCounts) {
    this.#counts = counts;
  }

  /** One more message; undefined if that would be one too many. What it gives has to be settled or released. */
  async begin(subjects: readonly QuotaSubject[]): Promise<Allowance | undefined> {
    const allowance = new Allowance(subjects, this.#counts, this.#underWay);
    if (await allowance.ask()) return allowance;
    allowance.release();
    return undefined;
  }
}

/** The place of one message. */
export class Allowance {
  readonly #subjects: readonly QuotaSubject[];
  readonly #counts: QuotaCounts;
  readonly #underWay: Map<string, UnderWay>;
  /** Recipients that each subject may still have, without those that are under way: up to this sum of them and the settled ones. */
  #most: readonly number[] = [];
  #recipients = 0;
  #isOver = false;

  constructor(subjects: readonly QuotaSubject[], counts: QuotaCounts, underWay: Map<string, UnderWay>) {
    this.#subjects = subjects;
    this.#counts = counts;
    this.#underWay = underWay;
    this.#add(1, 0);
  }

  /** Whether the message fits. */
  async ask(): Promise<boolean> {
    // Whoever is settled meanwhile may be counted twice, and not never.
    const settled = this.#subjects.map(({ name }) => this.#underWay.get(name)?.settled ?? 0);
    const counted = await this.#counts.count(entries(this.#subjects, 0, 0));
    const at = (index: number) => counted[index] ?? 0;
    this.#most = this.#subjects.map(
      ({ limits }, n) =>
        Math.min(limits.recipientsPerHour - at(n * 4 + 2), limits.recipientsPerDay - at(n * 4 + 3)) +
        (settled[n] ?? 0),
    );
    return this.#subjects.every(({ name, limits }, n) => {
      const underWay = this.#underWay.get(name)?.messages ?? 0;
      return (
        at(n * 4) + underWay <= limits.messagesPerHour && at(n * 4 + 1) + underWay <= limits.messagesPerDay
      );
    });
  }

  /** One more recipient; false if that is one too many. */
  takeRecipient(): boolean {
    const fits = this.#subjects.every(({ name }, n) => {
      const { recipients = 0, settled = 0 } = this.#underWay.get(name) ?? {};
      return recipients + settled < (this.#most[n] ?? 0);
    });
    if (fits) this.#add(0, 1);
    return fits;
  }

  /** The upstream did not take it. */
  giveBackRecipient(): void {
    if (!this.#isOver) this.#add(0, -1);
  }

  /** The upstream has taken the message, for so many. */
  async settle(recipients: number): Promise<void> {
    if (this.#isOver) return;
    // Still under way until it is counted, so that there is no moment in which it is neither.
    await this.#counts.count(entries(this.#subjects, 1, recipients));
    for (const { name } of this.#subjects) {
      const sum = this.#underWay.get(name);
      if (sum !== undefined) sum.settled += recipients;
    }
    this.release();
  }

  /** The message came to nothing. */
  release(): void {
    if (this.#isOver) return;
    this.#add(-1, -this.#recipients);
    this.#isOver = true;
  }

  #add(messages: number, recipients: number): void {
    this.#recipients += recipients;
    for (const { name } of this.#subjects) {
      const sum = this.#underWay.get(name) ?? { messages: 0, recipients: 0, settled: 0 };
      sum.messages += messages;
      sum.recipients += recipients;
      if (sum.messages === 0 && sum.recipients === 0) this.#underWay.delete(name);
      else this.#underWay.set(name, sum);
    }
  }
}

function entries(subjects: readonly QuotaSubject[], messages: number, recipients: number): QuotaEntry[] {
  return subjects.flatMap(({ name }) => [
    { key: `messages:hour:${name}`, by: messages, window: HOUR },
    { key: `messages:day:${name}`, by: messages, window: DAY },
    { key: `recipients:hour:${name}`, by: recipients, window: HOUR },
    { key: `recipients:day:${name}`, by: recipients, window: DAY },
  ]);
}
