// A real HAProxy of a test's own, in TCP mode: it passes TLS through and says by PROXY headers where its clients are.

import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { spawnTied, stopChild, whenReady } from './child-process.ts';
import { newLogFile } from './run-directory.ts';
import { tempDir } from './temp-dir.ts';

export interface Haproxy extends AsyncDisposable {
  /** What `show servers state` calls operational: the health checks of the server `postern` in this proxy succeed. */
  isUp(proxy: string): Promise<boolean>;
  /** What it has logged and printed so far: one line for each connection that is over, among others. */
  log(): string;
}

export interface HaproxyProxy {
  readonly name: string;
  /** On 127.0.0.1: where clients come in, and where Postern is. */
  readonly port: number;
  readonly to: number;
  /** More words for the `server` line, such as `send-proxy-v2 check-send-proxy`. */
  readonly server: string;
  /** More lines for the proxy. */
  readonly lines?: readonly string[];
}

const HAPROXY = '/usr/sbin/haproxy';

/** Starts it and waits until it accepts; throws with its log if it does not. */
export async function startHaproxy(proxies: readonly HaproxyProxy[]): Promise<Haproxy> {
  const dir = tempDir();
  const stats = join(dir.path, 'stats.sock');
  const config = join(dir.path, 'haproxy.cfg');
  writeFileSync(
    config,
    `
global
  log stdout format raw local0
  stats socket ${stats} mode 600 level operator
  maxconn 500
defaults
  mode tcp
  log global
  option tcplog
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 10s
${proxies
  .map(
    ({ name, port, to, server, lines = [] }) => `
listen ${name}
  bind 127.0.0.1:${port}
${lines.map((line) => `  ${line}`).join('\n')}
  server postern 127.0.0.1:${to} ${server}
`,
  )
  .join('')}`,
  );
  const logFile = newLogFile('haproxy');
  const logHandle = openSync(logFile, 'a');
  const child = spawnTied(HAPROXY, ['-db', '-f', config], { stdio: ['ignore', logHandle, logHandle] });
  closeSync(logHandle);
  const log = () => readFileSync(logFile, 'utf8');
  const stop = async () => {
    await stopChild(child);
    dir[Symbol.dispose]();
  };
  try {
    await whenReady(child, () => ask(stats, 'show info\n').catch(() => undefined));
  } catch (error) {
    await stop();
    throw new Error(`HAProxy did not start: ${(error as Error).message}\n${log()}`);
  }
  return {
    log,
    async isUp(proxy) {
      const states = await ask(stats, `show servers state ${proxy}\n`);
      // Columns: be_id be_name srv_id srv_name srv_addr srv_op_state …; 2 is "running".
      const line = states.split('\n').find((text) => text.split(' ')[3] === 'postern');
      return line?.split(' ')[5] === '2';
    },
    [Symbol.asyncDispose]: stop,
  };
}

function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(socketPath, () => socket.write(command));
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      answer += text;
    });
    socket.once('error', reject);
    socket.once('end', () => resolve(answer));
  });
}
