// The bench's own processes beside the contenders: the upstream and the load generators.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { stopChild } from '../support/child-process.ts';
import type { Job, Result } from './load/jobs.ts';
import { type Usage, usageOf } from './process-usage.ts';

/** They end when the channel to this process closes, so they need not be tied to it otherwise. */
function startWorker(file: string, args: readonly string[] = []): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  child.once('error', () => {});
  return child;
}

async function messageOf<T>(child: ChildProcess): Promise<T> {
  const ended = new AbortController();
  const onExit = () => ended.abort(new Error('a process of the bench has ended'));
  child.once('exit', onExit);
  try {
    const [message] = await once(child, 'message', { signal: ended.signal });
    return message as T;
  } finally {
    child.off('exit', onExit);
  }
}

const UPSTREAMS = { imap: 'upstream-main.ts', smtp: 'smtp-sink-main.ts', ldap: 'directory-main.ts' } as const;

export interface Upstream extends AsyncDisposable {
  readonly port: number;
  usage(): Usage;
}

/** What stands behind the contenders. */
export async function startUpstream(protocol: 'imap' | 'smtp' | 'ldap' = 'imap'): Promise<Upstream> {
  const child = startWorker(UPSTREAMS[protocol]);
  const { port } = await messageOf<{ port: number }>(child);
  return {
    port,
    usage: () => usageOf(child.pid!),
    async [Symbol.asyncDispose]() {
      await stopChild(child);
    },
  };
}

export interface Generator extends AsyncDisposable {
  /** Rejects if anything of the job failed. */
  run(job: Job): Promise<Result>;
  /** Gives the result whatever failed. */
  try(job: Job): Promise<Result>;
  usage(): Usage;
}

/** `nice`: it yields to everyone else. */
export function startGenerator({ nice = false } = {}): Generator {
  const child = startWorker('load/generator-main.ts', nice ? ['--nice'] : []);
  const attempt = async (job: Job) => {
    const answer = messageOf<Result>(child);
    child.send(job);
    return answer;
  };
  return {
    try: attempt,
    async run(job) {
      const result = await attempt(job);
      if (result.failed > 0) {
        throw new Error(`${job.kind}: ${result.failed} failed, ${result.done} done: ${result.failure}`);
      }
      return result;
    },
    usage: () => usageOf(child.pid!),
    async [Symbol.asyncDispose]() {
      await stopChild(child);
    },
  };
}

export interface Yardstick extends AsyncDisposable {
  /** CPU milliseconds of one argon2id verification, measured over `count` of them. */
  verification(hash: string, password: string, count: number): Promise<number>;
}

export function startYardstick(): Yardstick {
  const child = startWorker('argon2id-main.ts');
  const verify = async (hash: string, password: string, count: number) => {
    const answer = messageOf<{ wall: number }>(child);
    child.send({ hash, password, count });
    await answer;
  };
  return {
    async verification(hash, password, count) {
      await verify(hash, password, 20);
      const before = usageOf(child.pid!).cpu;
      await verify(hash, password, count);
      return (usageOf(child.pid!).cpu - before) / count;
    },
    async [Symbol.asyncDispose]() {
      await stopChild(child);
    },
  };
}
