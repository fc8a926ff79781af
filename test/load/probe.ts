// Clients that mean well, in a process of their own: one that logs in anew each second, and sessions that are alive all the
// time. What they notice of a flood is what is measured.

import { performance } from 'node:perf_hooks';
import { connect, type Transcript } from '../support/transcript.ts';
import { loopback, work } from './worker.ts';

export interface ProbeOptions {
  readonly port: number;
  readonly ca: string;
  /** One for each login, in turn: none has been verified before. */
  readonly logins: readonly { readonly user: string; readonly password: string }[];
  /** Live sessions, each with a NOOP every 100 ms; with the app passwords of the first of the logins. */
  readonly sessions: number;
}

/** Milliseconds from connecting to: TLS, and the OK. */
export interface LoginTime {
  readonly tls: number;
  readonly ok: number;
}

export interface ProbeReport {
  /** Each login since the last report. */
  readonly logins: readonly LoginTime[];
  /** Why others failed. */
  readonly failures: readonly string[];
  /** Milliseconds of each NOOP since the last report. */
  readonly noops: readonly number[];
  /** Sessions that were lost. */
  readonly lost: number;
}

/** Before anybody else's networks. */
const HOME = loopback(0).replace(/^127\.\d+/, '127.1');
const PATIENCE = 10_000;

await work<ProbeOptions, ProbeReport>(async ({ port, ca, logins, sessions }) => {
  let report = empty();

  const logIn = async (
    { user, password }: ProbeOptions['logins'][number],
    onTls = () => {},
  ): Promise<Transcript> => {
    const client = await connect({ port, tls: true, ca, localAddress: HOME, patience: PATIENCE });
    onTls();
    try {
      await client.expect('* OK …');
      await client.send(`a LOGIN ${user} ${password}\r\n`);
      await client.expect('a OK …');
      return client;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  };
  const loginOnce = async (login: ProbeOptions['logins'][number]) => {
    const startedAt = performance.now();
    let tls = 0;
    try {
      await using _client = await logIn(login, () => {
        tls = performance.now() - startedAt;
      });
      report.logins.push({ tls, ok: performance.now() - startedAt });
    } catch (error) {
      report.failures.push(`${(performance.now() - startedAt).toFixed(0)} ms: ${(error as Error).message}`);
    }
  };
  const noops = async (session: Transcript) => {
    for (;;) {
      const startedAt = performance.now();
      try {
        await session.send('n NOOP\r\n');
        await session.expectUntil('n OK …');
      } catch {
        report.lost++;
        return;
      }
      report.noops.push(performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };

  for (let i = 0; i < sessions; i++) void noops(await logIn(logins[0]!));
  void (async () => {
    // One at a time, as one person would.
    for (let used = 1; ; used++) {
      const second = new Promise((resolve) => setTimeout(resolve, 1000));
      await loginOnce(logins[used % logins.length]!);
      await second;
    }
  })();
  return () => {
    const given = report;
    report = empty();
    return given;
  };
});

function empty() {
  return { logins: [] as LoginTime[], failures: [] as string[], noops: [] as number[], lost: 0 };
}
