// A Secret cannot be printed: every road from an object to text is tried.

import { Writable } from 'node:stream';
import { format, inspect } from 'node:util';
import { serialize } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { createLog } from '../../../src/lib/log.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { AppPassword } from '../../../src/passwords/app-password.ts';

const VALUE = 'abcdefghijkmnpqr';

describe.each([
  ['Secret', new Secret(VALUE)],
  ['AppPassword', new AppPassword(VALUE)],
])('%s', (_, secret) => {
  const roads: Record<string, () => string> = {
    'String()': () => String(secret),
    'a template': () => `${secret}`,
    'a sum': () => ['', secret].reduce((sum, part) => (sum as string) + part) as string,
    toLocaleString: () => secret.toLocaleString(),
    join: () => [secret, secret].join(),
    'an object key': () => Object.keys({ [secret as unknown as string]: 1 }).join(),
    JSON: () => JSON.stringify({ deep: [{ secret }] }),
    inspect: () => inspect(secret),
    'inspect, nested': () => inspect({ a: { b: { c: { d: [secret] } } } }, { depth: null }),
    'inspect, with hidden properties': () => inspect(secret, { showHidden: true, getters: true }),
    'inspect, without custom inspection': () => inspect(secret, { customInspect: false, showHidden: true }),
    'inspect in a Map and a Set': () => inspect(new Map([[secret, new Set([secret])]])),
    '%s %o %O %j %d': () => format('%s %o %O %j %d', secret, secret, secret, secret, secret),
    'an error with it as a cause': () => inspect(new Error(`no: ${secret}`, { cause: secret })),
    'keys, entries, spread': () => inspect([Object.entries(secret), { ...secret }, Reflect.ownKeys(secret)]),
    'a structured clone': () => inspect(structuredClone(secret), { showHidden: true }),
    'V8 serialisation': () => serialize(secret).toString('latin1'),
    'its source': () => `${secret.reveal.toString()} ${secret.constructor.toString()}`,
  };
  test.each(Object.entries(roads))('%s', (_, text) => {
    expect(text()).not.toContain(VALUE);
  });

  test('pino, wherever it stands in a line', () => {
    const lines: string[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    const log = createLog('debug', stream);
    log.info({ secret, nested: { list: [secret] }, map: new Map([['a', secret]]) }, `it is ${secret}`);
    log.error({ err: new Error('no', { cause: secret }), error: secret }, '%s %o %j', secret, secret, secret);
    log.warn(secret as unknown as object);
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain(VALUE);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ secret: '[secret]', nested: { list: ['[secret]'] } });
  });

  test('and reveal() gives it', () => {
    expect(secret.reveal()).toBe(VALUE);
    expect(secret.isEmpty).toBe(false);
  });
});

test('what has not the shape of an app password is not in the error that says so', () => {
  const real = 'Summer2024!Summer2024!';
  const error = (() => {
    try {
      return new AppPassword(real);
    } catch (caught) {
      return caught;
    }
  })();
  expect(error).toBeInstanceOf(TypeError);
  expect(inspect(error)).not.toContain(real);
});

test('an empty one says so', () => {
  expect(new Secret('').isEmpty).toBe(true);
});
