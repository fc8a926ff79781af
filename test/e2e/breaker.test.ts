// Upstreams that die, hang and come back, with real Dovecots: what it costs clients, and what the operator sees.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connect } from '../support/transcript.ts';

const ALICE = 'alice@example.com';
/** Milliseconds; many times what a login takes, on a busy machine too. */
const DEADLINE = 5000;
let pki: Pki;
let first: Dovecot;
let second: Dovecot;
let postern: Postern;
let password: string;
const onlySecond = 'bob@example.com';
let bobsPassword: string;

beforeAll(async () => {
  pki = await createPki();
  first = await startDovecot({ certificate: await pki.issue() });
  second = await startDovecot({ certificate: await pki.issue(), master: first.master });
  const upstream = (addresses: string) => `
    protocol: imap
    address: ${addresses}
    tls: implicit
    ca: ${pki.ca.certFile}
    login: { method: plain, user: ${first.master.user}, passwordFile: ./master }
    connectDeadline: ${DEADLINE / 1000}s`;
  postern = await startPostern({
    certificate: await pki.issue(),
    files: { master: first.master.password },
    config: `
upstreams:
  both: ${upstream(`[localhost:${first.ports.imaps}, localhost:${second.ports.imaps}]`)}
  second: ${upstream(`localhost:${second.ports.imaps}`)}
routes:
  - { users: "${onlySecond}", imap: second }
  - { users: "*", imap: both }
`,
  });
  ({ password } = await postern.createPassword(ALICE));
  ({ password: bobsPassword } = await postern.createPassword(onlySecond));
});
afterEach(async () => {
  await isUp('both', 1);
  await isUp('second', 1);
});
afterAll(async () => {
  await postern?.[Symbol.asyncDispose]();
  await Promise.all([first?.stop(), second?.stop()]);
  pki?.[Symbol.dispose]();
});

/** One login on a connection of its own: the answer, and the milliseconds from LOGIN to it. */
async function login(user: string, secret: string): Promise<{ answer: string; took: number }> {
  await using client = await connect({ port: postern.ports.imaps, tls: true, ca: pki.ca.cert });
  await client.expect('* OK [CAPABILITY …');
  const from = performance.now();
  await client.send(`a LOGIN ${user} "${secret}"\r\n`);
  const answer = (await client.expectUntil(/^a /)).at(-1)!.slice(2);
  return { answer: answer.startsWith('OK ') ? 'OK' : answer, took: performance.now() - from };
}
const alice = () => login(ALICE, password);
const bob = () => login(onlySecond, bobsPassword);

const isUp = (upstream: string, value: 0 | 1) =>
  expect.poll(async () => (await postern.metrics()).value('postern_upstream_up', { upstream })).toBe(value);

/** What the log says of upstreams, from now on. */
function changes() {
  const about = () =>
    postern.events().filter(({ event }) => /^upstream_(down|failed|recovered)$/.test(String(event)));
  const before = about().length;
  return () => about().slice(before);
}
const at = (dovecot: Dovecot) => `localhost:${dovecot.ports.imaps}`;
const loggedIn = (dovecot: Dovecot) => [...dovecot.log().matchAll(/Login: user=<alice@/g)].length;

/** In the place of one that was stopped. */
async function restart(dovecot: Dovecot, certificate = pki.issue()): Promise<Dovecot> {
  return startDovecot({ certificate: await certificate, ports: dovecot.ports, master: dovecot.master });
}

test('one of two is stopped: the other takes over, and when it is back it is used again', async () => {
  expect((await alice()).answer).toBe('OK');
  await expect.poll(() => loggedIn(first)).toBe(1);
  const said = changes();
  await first.stop();
  for (let n = 0; n < 30; n++) expect((await alice()).answer).toBe('OK');
  await expect.poll(() => loggedIn(second)).toBe(30);
  await isUp('both', 1);
  expect(said()).toMatchObject([
    {
      event: 'upstream_failed',
      level: 'warn',
      upstream: 'both',
      address: at(first),
      detail: 'connection refused',
    },
    {
      event: 'upstream_down',
      level: 'warn',
      upstream: 'both',
      address: at(first),
      detail: 'connection refused',
    },
  ]);

  first = await restart(first);
  await expect.poll(() => said().at(-1)).toMatchObject({ event: 'upstream_recovered', address: at(first) });
  expect((await alice()).answer).toBe('OK');
  await expect.poll(() => loggedIn(first)).toBe(1);
  expect(said()).toHaveLength(3);
});

test('all are stopped: unavailable at once, said once, and found again without anybody logging in', async () => {
  const said = changes();
  await Promise.all([first.stop(), second.stop()]);
  expect((await alice()).answer).toMatch(/^NO \[UNAVAILABLE\]/);
  await isUp('both', 0);
  const results = await Promise.all(Array.from({ length: 100 }, alice));
  for (const { answer } of results) expect(answer).toMatch(/^NO \[UNAVAILABLE\]/);
  const alone = await alice();
  expect(alone.answer).toMatch(/^NO \[UNAVAILABLE\]/);
  expect(alone.took).toBeLessThan(DEADLINE);
  // Once for each address; who has the second one too, as another upstream, has not noticed yet.
  const down = said().filter(({ event }) => event === 'upstream_down');
  expect(down.map(({ upstream, address }) => `${upstream} ${address}`).sort()).toEqual(
    [`both ${at(first)}`, `both ${at(second)}`].sort(),
  );

  [first, second] = await Promise.all([restart(first), restart(second)]);
  await isUp('both', 1);
  expect((await alice()).answer).toBe('OK');
});

test('one that hangs costs its first clients the deadline, and those after them nothing', async () => {
  const said = changes();
  second.freeze();
  try {
    const [one, two] = await Promise.all([bob(), bob()]);
    for (const { answer, took } of [one, two]) {
      expect(answer).toMatch(/^NO \[UNAVAILABLE\]/);
      expect(took).toBeGreaterThan(DEADLINE - 50);
    }
    await isUp('second', 0);
    for (let n = 0; n < 20; n++) {
      const { answer, took } = await bob();
      expect(answer).toMatch(/^NO \[UNAVAILABLE\]/);
      expect(took).toBeLessThan(DEADLINE);
    }
    await expect
      .poll(() => said().filter(({ upstream }) => upstream === 'second'))
      .toMatchObject([
        { event: 'upstream_failed', upstream: 'second', detail: 'no TLS handshake within 5 s' },
        { event: 'upstream_down', upstream: 'second', detail: 'no TLS handshake within 5 s' },
      ]);
    // The other upstream has the same server as its second address, and does not need it.
    expect((await alice()).answer).toBe('OK');
  } finally {
    second.thaw();
  }
  await isUp('second', 1);
  expect((await bob()).answer).toBe('OK');
  await expect
    .poll(said)
    .toContainEqual(expect.objectContaining({ event: 'upstream_recovered', upstream: 'second' }));
});

test('one that is back with a certificate for another name stays down, as an error, until it has the right one', async () => {
  const said = changes();
  await second.stop();
  expect((await bob()).answer).toMatch(/^NO \[UNAVAILABLE\]/);
  await isUp('second', 0);
  second = await restart(second, pki.issue({ names: ['elsewhere.example.com'] }));
  await expect
    .poll(() =>
      said()
        .filter(({ upstream }) => upstream === 'second')
        .at(-1),
    )
    .toMatchObject({
      event: 'upstream_down',
      level: 'error',
      address: at(second),
      detail: expect.stringMatching(/certificate is for another name/),
    });
  await isUp('second', 0);
  expect((await bob()).answer).toMatch(/^NO \[UNAVAILABLE\]/);
  await second.stop();
  second = await restart(second);
  await isUp('second', 1);
  expect((await bob()).answer).toBe('OK');
});
