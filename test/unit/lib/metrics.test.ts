// The registry: the table and nothing else.

import { describe, expect, test } from 'vitest';
import { createMetrics, METRICS } from '../../../src/events.ts';
import { Metrics, type MetricTable } from '../../../src/lib/metrics.ts';
import { parseMetrics } from '../../support/metrics-text.ts';

const text = async (metrics: Metrics<never>) => (await metrics.render()).body;

test('every metric of the table is there from the start, with its type', async () => {
  const body = await text(createMetrics());
  for (const [name, { type, help }] of Object.entries(METRICS)) {
    expect(body).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
  }
  expect(parseMetrics(body).names.toSorted()).toEqual(Object.keys(METRICS).toSorted());
});

test('names follow the rules of Prometheus: the prefix, base units, _total for counters only', () => {
  for (const [name, { type, labels }] of Object.entries(METRICS)) {
    expect(name).toMatch(/^postern_[a-z]+(_[a-z]+)*$/);
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    expect(name).not.toMatch(/_(ms|milliseconds|kib|mb|percent)(_|$)/);
    for (const label of Object.keys(labels))
      expect(['user', 'address', 'client', 'error']).not.toContain(label);
  }
});

test('values move', async () => {
  const metrics = createMetrics();
  const labels = { protocol: 'imap', verdict: 'refused', reason: 'revoked' };
  metrics.increment('postern_logins_total', labels);
  metrics.increment('postern_logins_total', labels, 2);
  metrics.add('postern_connections', { listener: 'imaps' }, 3);
  metrics.add('postern_connections', { listener: 'imaps' }, -1);
  metrics.set('postern_throttle_degraded', {}, 1);
  metrics.observe('postern_login_seconds', { protocol: 'imap' }, 0.02);
  const read = parseMetrics(await text(metrics));
  expect(read.value('postern_logins_total', labels)).toBe(3);
  expect(read.value('postern_connections', { listener: 'imaps' })).toBe(2);
  expect(read.value('postern_throttle_degraded')).toBe(1);
  expect(read.value('postern_login_seconds_count')).toBe(1);
  expect(read.value('postern_login_seconds_bucket', { le: '0.025' })).toBe(1);
  expect(read.value('postern_login_seconds_bucket', { le: '0.01' })).toBe(0);
});

test('a name that the table does not have, or of another type, throws at once', () => {
  const metrics = createMetrics();
  const unknown = 'postern_unheard_of_total' as keyof typeof METRICS;
  expect(() => metrics.increment(unknown)).toThrow(/postern_unheard_of_total/);
  expect(() => metrics.set(unknown, {}, 1)).toThrow(/postern_unheard_of_total/);
  expect(() => metrics.set('postern_logins_total', {}, 1)).toThrow();
  expect(() => metrics.increment('postern_sessions')).toThrow();
  expect(() => metrics.observe('postern_sessions', {}, 1)).toThrow();
});

test('a label that the table does not have throws', () => {
  const metrics = createMetrics();
  expect(() => metrics.increment('postern_logins_total', { user: 'alice@example.com' })).toThrow(/user/);
  expect(() => metrics.add('postern_connections', { listener: 'imap', client: '192.0.2.7' }, 1)).toThrow(
    /client/,
  );
  expect(() => metrics.observe('postern_login_seconds', { error: 'no' }, 1)).toThrow(/error/);
});

test('two instances are two sets of values', async () => {
  const [one, other] = [createMetrics(), createMetrics()];
  one.set('postern_throttle_degraded', {}, 1);
  expect(parseMetrics(await text(other)).value('postern_throttle_degraded')).toBe(0);
});

describe('what may be counted is there at 0', () => {
  const TABLE = {
    logins_total: {
      type: 'counter',
      help: 'x',
      labels: { verdict: ['yes', 'no'], reason: ['none', 'why'] },
      has: ({ verdict, reason }) => (verdict === 'yes') === (reason === 'none'),
    },
    refused_total: { type: 'counter', help: 'x', labels: { listener: 'listener', kind: ['a', 'b'] } },
    open: { type: 'gauge', help: 'x', labels: { listener: 'listener' } },
    seconds: { type: 'histogram', help: 'x', labels: { upstream: 'upstream' }, buckets: [1] },
    build: { type: 'gauge', help: 'x', labels: { version: 'any' } },
  } as const satisfies MetricTable;
  const series = async (metrics: Metrics<never>) =>
    (await text(metrics)).split('\n').filter((line) => /^\w/.test(line));

  test('words from the beginning, and only the combinations that there are', async () => {
    expect(await series(new Metrics(TABLE))).toEqual([
      'logins_total{verdict="yes",reason="none"} 0',
      'logins_total{verdict="no",reason="why"} 0',
    ]);
  });

  test('a name once it is known, and knowing it again changes nothing', async () => {
    const metrics = new Metrics(TABLE);
    metrics.named('listener', 'imaps');
    metrics.named('upstream', 'dovecot');
    metrics.increment('refused_total', { listener: 'imaps', kind: 'b' });
    metrics.add('open', { listener: 'imaps' }, 2);
    metrics.observe('seconds', { upstream: 'dovecot' }, 0.5);
    metrics.named('listener', 'imaps');
    metrics.named('upstream', 'dovecot');
    const lines = await series(metrics);
    expect(lines).toContain('refused_total{listener="imaps",kind="a"} 0');
    expect(lines).toContain('refused_total{listener="imaps",kind="b"} 1');
    expect(lines).toContain('open{listener="imaps"} 2');
    expect(lines).toContain('seconds_count{upstream="dovecot"} 1');
    metrics.named('listener', 'smtp');
    expect(await series(metrics)).toContain('open{listener="smtp"} 0');
  });

  test('what could not be known is there when it happens', async () => {
    const metrics = new Metrics(TABLE);
    metrics.set('build', { version: '1' }, 1);
    expect(await series(metrics)).toContain('build{version="1"} 1');
  });
});
