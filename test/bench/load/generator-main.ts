// A load generator: a process that does the jobs that it is sent, one at a time, and sends a result for each.

import { setPriority } from 'node:os';
import { ImapClient } from './imap-client.ts';
import type { GuessesJob, HoldJob, Job, LdapJob, LoginsJob, ProbeJob, SmtpJob, Target } from './jobs.ts';
import { LdapClient } from './ldap-client.ts';
import { SmtpClient } from './smtp-client.ts';
import { address, inParallel, nameOf, Tally, userOf } from './tally.ts';

const SYMBOLS = 'abcdefghijkmnpqrstuvwxyz23456789';

const held: ImapClient[] = [];

async function logins(job: LoginsJob, tally: Tally): Promise<void> {
  let session: Buffer | undefined;
  const onSession = (fresh: Buffer) => {
    session = fresh;
  };
  const login = async (i: number) => {
    const client = await ImapClient.connect(job.target, {
      from: address(),
      ...(job.resume ? { session, onSession } : {}),
    });
    if (client.isResumed) tally.resumed += 1;
    await client.login(userOf(job.users, i), job.password);
    await client.command('NOOP');
    await client.logout();
  };
  if (job.resume) await login(0);
  tally.resumed = 0;
  await inParallel(job, tally, async (i) => {
    const startedAt = performance.now();
    await login(i);
    tally.latencies.push(performance.now() - startedAt);
    tally.done += 1;
  });
}

async function guesses(job: GuessesJob, tally: Tally): Promise<void> {
  const share = Math.ceil(job.count / job.concurrency);
  await inParallel({ count: job.concurrency, concurrency: job.concurrency }, tally, async (worker) => {
    let client: ImapClient | undefined;
    // Each is at another place of its connection, as after a while: in step they would come and go in waves.
    const offset = Math.floor((worker * job.perConnection) / job.concurrency);
    for (let i = 0; i < share; i++) {
      if (i === 0 || (i + offset) % job.perConnection === 0) {
        client?.destroy();
        client = await ImapClient.connect(job.target, { from: address() });
      }
      const answer = await client?.command(`LOGIN ${userOf(job.users, i + worker)} ${wrongPassword()}`);
      if (!answer?.includes(' NO ')) throw new Error(`a wrong password was answered with ${answer}`);
      tally.done += 1;
    }
    client?.destroy();
  });
}

/** Not secret from anyone, so a cheap random source will do. */
function wrongPassword(): string {
  let text = '';
  for (let i = 0; i < 16; i++) text += SYMBOLS[Math.floor(Math.random() * 32)];
  return text;
}

async function session(target: Target, user: string, password: string): Promise<ImapClient> {
  const client = await ImapClient.connect(target, { from: address() });
  await client.login(user, password);
  return client;
}

async function hold(job: HoldJob, tally: Tally): Promise<void> {
  await inParallel(job, tally, async (i) => {
    held.push(await session(job.target, userOf(job.users, i), job.password));
    tally.done += 1;
  });
}

async function probe(job: ProbeJob, tally: Tally): Promise<void> {
  const live = await session(job.target, userOf(job.users, 0), job.password);
  const end = performance.now() + job.time;
  for (let i = 0; performance.now() < end; i++) {
    try {
      let startedAt = performance.now();
      await live.command('NOOP');
      tally.noops.push(performance.now() - startedAt);
      startedAt = performance.now();
      const client = await session(job.target, userOf(job.users, i), job.password);
      tally.latencies.push(performance.now() - startedAt);
      await client.logout();
      tally.done += 1;
    } catch (error) {
      tally.fails(error);
      if (live.socket.destroyed) break;
    }
    await pause(job.pause);
  }
  live.destroy();
}

/** Each message's time is its own, or with only one on a connection that of the whole connection. */
async function submit(job: SmtpJob, tally: Tally): Promise<void> {
  await inParallel({ count: job.connections, concurrency: job.concurrency }, tally, async (i) => {
    const user = userOf(job.users, i);
    let startedAt = performance.now();
    const client = await SmtpClient.connect(job.target, { from: address(), user, password: job.password });
    for (let n = 0; n < job.perConnection; n++) {
      if (job.perConnection > 1) startedAt = performance.now();
      await client.send(user, job.octets);
      if (job.perConnection > 1) tally.latencies.push(performance.now() - startedAt);
      tally.done += 1;
    }
    await client.quit();
    if (job.perConnection === 1) tally.latencies.push(performance.now() - startedAt);
  });
}

async function askDirectory(job: LdapJob, tally: Tally): Promise<void> {
  await inParallel({ count: job.connections, concurrency: job.concurrency }, tally, async (i) => {
    const client = LdapClient.connect(job.target, address());
    for (let n = 0; n < job.binds; n++) {
      const name = nameOf(job.users, i + n);
      const startedAt = performance.now();
      await client.bind(`uid=${name},ou=people,dc=example,dc=com`, job.password);
      if (job.searches > 0) continue;
      tally.latencies.push(performance.now() - startedAt);
      tally.done += 1;
    }
    for (let n = 0; n < job.searches; n++) {
      const startedAt = performance.now();
      await client.search(job.base, nameOf(job.users, i + n));
      tally.latencies.push(performance.now() - startedAt);
      tally.done += 1;
    }
    client.unbind();
    tally.octets += client.received;
  });
}

async function run(job: Job, tally: Tally): Promise<void> {
  switch (job.kind) {
    case 'logins':
      return logins(job, tally);
    case 'guesses':
      return guesses(job, tally);
    case 'hold':
      return hold(job, tally);
    case 'smtp':
      return submit(job, tally);
    case 'ldap':
      return askDirectory(job, tally);
    case 'let go':
      for (const client of held.splice(0)) client.destroy();
      return;
    case 'probe':
      return probe(job, tally);
    case 'first login':
      while (tally.done === 0) {
        try {
          (await session(job.target, userOf(job.users, 0), job.password)).destroy();
          tally.done = 1;
        } catch {
          await pause(2);
        }
      }
      return;
    case 'download':
    case 'upload': {
      const client = await session(job.target, userOf(job.users, 0), job.password);
      const startedAt = performance.now();
      await client[job.kind](job.bytes);
      tally.latencies.push(performance.now() - startedAt);
      tally.done = 1;
      client.destroy();
      return;
    }
    case 'echo': {
      const client = await session(job.target, userOf(job.users, 0), job.password);
      const text = 'e'.repeat(100 - 'txxxxx ECHO \r\n'.length);
      for (let i = 0; i < job.count; i++) {
        const startedAt = performance.now();
        await client.command(`ECHO ${text}`);
        tally.latencies.push(performance.now() - startedAt);
      }
      tally.done = job.count;
      client.destroy();
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

process.on('message', async (job: Job) => {
  const tally = new Tally();
  const late = setTimeout(() => {
    process.send?.({ ...tally.result(), failed: tally.failed + 1, failure: 'it was not done in time' });
    process.exit(1);
  }, job.deadline);
  try {
    await run(job, tally);
  } catch (error) {
    tally.fails(error);
  }
  clearTimeout(late);
  process.send?.(tally.result());
});
process.once('disconnect', () => process.exit());
// A flood that takes the processor away from the probe beside it would show in the probe's numbers as the contender's fault.
if (process.argv.includes('--nice')) setPriority(10);
