import { expect, test } from 'vitest';
import { parseMetrics } from '../../support/metrics-text.ts';

const TEXT = `# HELP logins_total Logins.
# TYPE logins_total counter
logins_total{protocol="imap",verdict="admitted"} 2
logins_total{protocol="imap",verdict="refused"} 3
# TYPE up gauge
up{name="a \\"b\\" \\\\ {c}"} 1
# TYPE seconds histogram
seconds_bucket{le="+Inf"} 4
seconds_sum 1.5e-3
`;

test('samples are found by name and labels, and summed over the labels not named', () => {
  const metrics = parseMetrics(TEXT);
  expect(metrics.names).toEqual(['logins_total', 'up', 'seconds']);
  expect(metrics.value('logins_total', { verdict: 'refused' })).toBe(3);
  expect(metrics.value('logins_total')).toBe(5);
  expect(metrics.value('up', { name: 'a "b" \\ {c}' })).toBe(1);
  expect(metrics.value('seconds_bucket', { le: '+Inf' })).toBe(4);
  expect(metrics.value('seconds_sum')).toBe(0.0015);
  expect(metrics.value('nothing')).toBe(0);
  expect([metrics.has('up'), metrics.has('nothing')]).toEqual([true, false]);
});

test.each(['<html>', 'up{a="b" 1', 'up one two three'])(
  'what is not of the format is an error: %s',
  (line) => {
    expect(() => parseMetrics(`${TEXT}${line}\n`)).toThrow('not a line');
  },
);
