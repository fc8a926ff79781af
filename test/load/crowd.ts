// Clients that mean no good, in a process of their own: they say nothing, or a byte a second, or guess as fast as they are
// answered. Whoever is closed comes back after a while.

import { randomInt } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { loopback, work } from './worker.ts';

export interface CrowdOptions {
  readonly kind: 'silent' | 'trickle' | 'guess';
  readonly count: number;
  /** From `networks` addresses, beginning with the `firstNetwork`-th. */
  readonly networks: number;
  readonly firstNetwork: number;
  /** Each is on either port in turn; those who guess are on the TLS port. */
  readonly ports: { readonly imap: number; readonly imaps: number };
  /** PEM of the authority behind Postern's certificate. */
  readonly ca: string;
  /** Milliseconds in which all come for the first time, evenly. */
  readonly ramp: number;
  /** Milliseconds after which one that was closed comes back, half of it more or less. */
  readonly reopenAfter: number;
}

export interface CrowdReport {
  /** Connected now. */
  readonly open: number;
  /** Since the last report: connections made, and closed by the other side or not made at all. */
  readonly opened: number;
  readonly closed: number;
  /** Since the last report: answers to guesses. */
  readonly refused: number;
  readonly throttled: number;
  /** Guesses that were right. */
  readonly admitted: number;
}

/** What the worst of networks adds to nothing: a quiet start of a TLS handshake, and of a command. */
const HELLO = Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(500, 'x'), 'latin1');
const COMMAND = Buffer.from(`a LOGIN alice@example.com "${'x'.repeat(500)}`);
/** The alphabet and the length of app passwords (src/passwords/app-password.ts). */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

await work<CrowdOptions, CrowdReport>(async (options) => {
  const { kind, count, networks, firstNetwork, ports, ca, ramp, reopenAfter } = options;
  const now = { opened: 0, closed: 0, refused: 0, throttled: 0, admitted: 0 };
  let open = 0;

  const start = (i: number) => {
    const implicit = kind === 'guess' || i % 2 === 0;
    const socket = connect({
      host: '127.0.0.1',
      port: implicit ? ports.imaps : ports.imap,
      localAddress: loopback(firstNetwork + (i % networks)),
      noDelay: true,
    });
    let timer: NodeJS.Timeout | undefined;
    let isOpen = false;
    socket.on('connect', () => {
      isOpen = true;
      open++;
      now.opened++;
      if (kind === 'trickle') timer = trickle(socket, implicit ? HELLO : COMMAND);
      if (kind === 'guess') guess(socket, ca, now);
      else socket.resume();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(timer);
      if (isOpen) open--;
      now.closed++;
      setTimeout(() => start(i), reopenAfter * (0.5 + Math.random()));
    });
  };
  for (let i = 0; i < count; i++) setTimeout(() => start(i), (i / count) * ramp);

  return () => {
    const report = { open, ...now };
    Object.assign(now, { opened: 0, closed: 0, refused: 0, throttled: 0, admitted: 0 });
    return report;
  };
});

function trickle(socket: Socket, bytes: Buffer): NodeJS.Timeout {
  let sent = 0;
  return setInterval(() => socket.write(bytes.subarray(sent, ++sent)), 1000);
}

/** Another app password at each answer, for a user who is there and for users who are not. */
function guess(
  socket: Socket,
  ca: string,
  now: { refused: number; throttled: number; admitted: number },
): void {
  const tls = connectTls({ socket, servername: 'localhost', ca });
  const next = () => {
    const password = Array.from({ length: 16 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
    const user = randomInt(2) === 0 ? 'alice' : `user${randomInt(1000)}`;
    tls.write(`a LOGIN ${user}@example.com ${password}\r\n`);
  };
  let line = '';
  tls.on('data', (chunk: Buffer) => {
    line += chunk.toString('latin1');
    if (!line.endsWith('\r\n')) return;
    if (line.includes('[LIMIT]')) now.throttled++;
    else if (line.startsWith('a NO')) now.refused++;
    else if (line.startsWith('a OK')) now.admitted++;
    line = '';
    next();
  });
  tls.on('error', () => socket.destroy());
}
