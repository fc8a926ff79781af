// What all contenders have in common: where they listen, what they are given, and how they are started and weighed.

import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { spawnTied, stopChild, whenReady } from '../../support/child-process.ts';
import { freePort } from '../../support/ports.ts';
import { tempDir } from '../../support/temp-dir.ts';
import type { Target } from '../load/jobs.ts';
import { type Usage, usageOf } from '../process-usage.ts';
import type { Site } from '../site.ts';

export type ContenderName = 'postern' | 'nginx' | 'dovecot' | 'haproxy' | 'bare Node' | 'slapd';

export interface Contender extends AsyncDisposable {
  readonly name: ContenderName;
  /** Those that it has: HAProxy knows no STARTTLS, Postern takes no password in clear. */
  readonly targets: Partial<Readonly<Record<Target['tls'], Target>>>;
  /** Of all its processes. */
  usage(): Usage;
  /** Milliseconds since the epoch when it was executed. */
  readonly executedAt: number;
}

export interface Ports {
  readonly implicit: number;
  readonly starttls: number;
  readonly none: number;
}

export interface Plan {
  readonly name: ContenderName;
  /** Given a directory of the contender's own and its ports, writes its files and says how to run it. */
  prepare(directory: string, ports: Ports): Promise<Command>;
  readonly has: readonly Target['tls'][];
  /** For the start case: do not wait until it listens. */
  readonly waits?: boolean;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export type StartContender = (site: Site) => Promise<Contender>;

/** Starts it, its output going to a file, and waits until it greets. */
export async function start(plan: Plan): Promise<Contender> {
  const dir = tempDir(0o755);
  const ports = { implicit: await freePort(), starttls: await freePort(), none: await freePort() };
  const command = await plan.prepare(dir.path, ports);
  const logFile = join(dir.path, 'output.log');
  const output = openSync(logFile, 'a');
  const executedAt = Date.now();
  const child = spawnTied(command.program, command.args, {
    stdio: ['ignore', output, output],
    cwd: command.cwd ?? dir.path,
    env: { ...process.env, NODE_OPTIONS: '', NODE_ENV: 'production', ...command.env },
  });
  closeSync(output);
  const dispose = async () => {
    await stopChild(child, 'SIGTERM', 20_000).catch(() => {});
    dir[Symbol.dispose]();
  };
  if (plan.waits !== false) {
    try {
      await whenReady(child, () => accepts(ports[plan.has[0]!]), 20_000);
    } catch (error) {
      const log = readFileSync(logFile, 'utf8').slice(-4000);
      await dispose();
      throw new Error(`${plan.name} did not start: ${(error as Error).message}\n${log}`);
    }
  }
  return {
    name: plan.name,
    targets: Object.fromEntries(plan.has.map((tls) => [tls, { port: ports[tls], tls }])),
    executedAt,
    usage: () => usageOf(pidOf(child)),
    [Symbol.asyncDispose]: dispose,
  };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
    throw new Error(`${child.spawnargs.join(' ')} has ended`);
  }
  return child.pid;
}

function accepts(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(undefined));
  });
}
