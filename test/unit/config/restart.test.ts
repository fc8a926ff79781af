// What a reload may not change.

import { expect, test } from 'vitest';
import { needsRestart } from '../../../src/config/restart.ts';
import { parse, SMALL } from './example.ts';

const running = parse(SMALL);
const afterChange = (text: string) => needsRestart(running, parse(text));

test('the same config, and one that says the same in other words', () => {
  expect(afterChange(SMALL)).toEqual([]);
  const written = `control: { socket: ./data/control.sock }\n${SMALL.replace('./data/postern.db', 'data/postern.db')}`;
  expect(afterChange(written)).toEqual([]);
});

test('users, routes, limits, listeners, upstreams, certificate, hashing, throttle and log may change', () => {
  const changed = SMALL.replace('0.0.0.0:993', '[::]:1993')
    .replace('./tls/chain.pem', './other.pem')
    .replace('imap.internal:993', 'elsewhere.internal:993')
    .replace('*@example.com', '*');
  const more = `
users: { defaultDomain: example.com }
limits: { connections: 5 }
appPasswords: { maxPerUser: 2, remember: 0ms }
throttle: { failureDelay: 1s }
log: { level: warn }
`;
  expect(afterChange(changed + more)).toEqual([]);
});

test.each([
  ['store', SMALL.replace('postern.db', 'other.db'), ['store']],
  ['keys', SMALL.replace('keys.json', 'other.json'), ['keys']],
  ['control', `control: { socket: ./x.sock }\n${SMALL}`, ['control']],
  ['admin', `admin: { address: "127.0.0.1:9090" }\n${SMALL}`, ['admin']],
  ['redis', `redis: { url: "redis://127.0.0.1:6379/0" }\n${SMALL}`, ['redis']],
])('%s may not', (_, text, sections) => {
  expect(afterChange(text)).toEqual(
    sections.map((section) => `${section}: cannot change while Postern runs; needs a restart`),
  );
});

test('all of them are told at once', () => {
  const text = `admin: { address: "127.0.0.1:9090" }\n${SMALL.replace('keys.json', 'other.json')}`;
  expect(afterChange(text)).toHaveLength(2);
});

test('a password inside one of them is compared, and not told', () => {
  const withRedis = (password: string) => `redis: { url: "redis://:${password}@127.0.0.1:6379/0" }\n${SMALL}`;
  const before = parse(withRedis('first-secret'));
  expect(needsRestart(before, parse(withRedis('first-secret')))).toEqual([]);
  const problems = needsRestart(before, parse(withRedis('second-secret')));
  expect(problems).toHaveLength(1);
  expect(problems.join()).not.toContain('secret');
});
