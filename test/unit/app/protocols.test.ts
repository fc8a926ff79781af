// What a new protocol takes in the composition: one entry. Here is a protocol that the test makes up, `echo`, which the real app serves
// as it serves the others: its listener, the gate, sessions, the log and the metrics know it by its name alone.
//
//   S: echo ready
//   C: LOGIN alice abcd-…     S: OK or NO
//   C: anything else          S: the same

import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  PROTOCOL_ENTRIES,
  type ProtocolEntry,
  type ProtocolTerms,
  type Serving,
} from '../../../src/app/protocols.ts';
import type { Config } from '../../../src/config/config.ts';
import type { SpokenProtocol } from '../../../src/lib/protocol.ts';
import { Secret } from '../../../src/lib/secret.ts';
import type { Connection } from '../../../src/listen/connection.ts';
import { admit } from '../../../src/protocols/admission.ts';
import { createPki, type Pki } from '../../support/pki.ts';
import { type PosternInProcess, startPosternInProcess } from '../../support/postern-in-process.ts';
import { ledger } from '../../support/secrets-ledger.ts';
import { connect } from '../../support/transcript.ts';

const LOGIN = { method: 'plain', user: 'postern', password: ledger('nobody-l0gs-in-with-this') };
const ECHO = 'echo' as SpokenProtocol;

/** The entry. */
function echo({ shared }: ProtocolTerms): Serving {
  return { server: { serve: (connection) => serve(connection, shared), plaintextOnTlsPort: () => null } };
}

async function serve(connection: Connection, deps: ProtocolTerms['shared']): Promise<void> {
  const { socket } = connection;
  connection.onInterrupt = () => socket.destroy();
  socket.write('echo ready\r\n');
  for await (const line of createInterface({ input: socket })) {
    const [command, login = '', secret = ''] = line.split(' ');
    socket.write(command === 'LOGIN' ? await logIn(connection, deps, login, secret) : `${line}\r\n`);
  }
}

async function logIn(connection: Connection, deps: ProtocolTerms['shared'], login: string, secret: string) {
  const attempt = { protocol: ECHO, login, secret: new Secret(secret), software: 'echo' };
  const admission = await admit(
    connection,
    deps,
    attempt,
    async (admitted) => admitted.upstream,
    () => {},
  );
  if (admission.kind === 'rejected') return 'NO\r\n';
  admission.live.leave();
  return `OK ${admission.upstream}\r\n`;
}

let pki: Pki;
let postern: PosternInProcess;
let closed = 0;

beforeAll(async () => {
  pki = await createPki();
  const learning: ProtocolEntry = (terms, before) => {
    expect(before).toBeUndefined();
    return { ...echo(terms), learnt: { [Symbol.dispose]: () => closed++ } };
  };
  const protocols = { ...PROTOCOL_ENTRIES, echo: learning };
  postern = await startPosternInProcess(
    await pki.issue(),
    {
      listeners: [{ name: 'echo', protocol: 'imap', address: '127.0.0.1:0', tls: 'implicit' }],
      upstreams: { dovecot: { protocol: 'imap', address: '127.0.0.1:9', tls: 'none', login: LOGIN } },
      routes: [{ users: '*', imap: 'dovecot' }],
    },
    { protocols, change: spokenAs(ECHO) },
  );
});
afterAll(async () => {
  await postern[Symbol.asyncDispose]();
  pki[Symbol.dispose]();
  expect(closed, 'what the protocol has learnt is disposed of with the app').toBe(1);
});

/** The schema knows no such protocol: it says IMAP, and this makes another of it. */
const spokenAs = (protocol: SpokenProtocol) => (config: Config) => ({
  ...config,
  listeners: config.listeners.map((listener) => ({ ...listener, protocol })),
  routes: config.routes.map((route) => ({ ...route, [protocol]: 'elsewhere' })),
});

const client = () => connect({ port: postern.ports.echo!, tls: true, ca: pki.ca.cert });

test('it listens and answers', async () => {
  await using echoes = await client();
  await echoes.expect('echo ready');
  await echoes.send('one\r\ntwo\r\n');
  await echoes.expect('one');
  await echoes.expect('two');
});

test('it admits whom the gate admits, by the route’s key of its name', async () => {
  const { password } = await postern.createPassword('alice@example.com');
  await using echoes = await client();
  await echoes.expect('echo ready');
  await echoes.send(`LOGIN alice ${password}\r\n`);
  await echoes.expect('OK elsewhere');
  expect(await postern.logged('login')).toMatchObject({
    protocol: 'echo',
    verdict: 'admitted',
    upstream: 'elsewhere',
  });
  await postern.metricIs(1, 'postern_logins_total', {
    protocol: 'echo',
    verdict: 'admitted',
    reason: 'none',
  });
});

test('and refuses an app password that is good for something else', async () => {
  const { password } = await postern.createPassword('bob@example.com', { scope: ['imap'] });
  await using echoes = await client();
  await echoes.expect('echo ready');
  await echoes.send(`LOGIN bob ${password}\r\n`);
  await echoes.expect('NO');
  await postern.metricIs(1, 'postern_logins_total', { protocol: 'echo', reason: 'wrong_protocol' });
});
