// What operators look things up in has everything that the code has, and nothing else: reasons, events, metrics.

import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { METRICS } from '../../../src/events.ts';
import {
  REASONS,
  REFUSED_REASONS,
  THROTTLED_REASONS,
  UNAVAILABLE_REASONS,
} from '../../../src/gate/verdict.ts';
import { AUDIT_ACTIONS } from '../../../src/store/portal-store.ts';
import { metricsReference } from '../../support/metrics-reference.ts';
import { codes, fenced, read, section, table } from './markdown.ts';

const operations = read('docs/operations.md');
const sorted = (list: Iterable<string>) => [...list].sort();

test('docs/metrics.md is what `node test/support/metrics-reference.ts` makes of the code', () => {
  expect(read('docs/metrics.md')).toBe(metricsReference());
});

test('every reason is explained under its verdict, once, and no other is', () => {
  const rows = table(section(operations, '## Verdicts and reasons')).map(
    ([verdict, reason]) => `${verdict} ${codes(reason!)}`,
  );
  expect(sorted(rows)).toEqual(
    sorted([
      'admitted none',
      ...REFUSED_REASONS.map((reason) => `refused ${reason}`),
      ...THROTTLED_REASONS.map((reason) => `throttled ${reason}`),
      ...UNAVAILABLE_REASONS.map((reason) => `unavailable ${reason}`),
    ]),
  );
  expect(rows).toHaveLength(REASONS.length);
});

test('the systemd unit is the one that packages bring', () => {
  expect(fenced(section(operations, '## systemd'), 'ini')).toEqual([read('config/postern.service')]);
});

test('it gives Node.js what the image gives it', () => {
  const [, entryPoint] = /^ENTRYPOINT \[(.*)\]$/m.exec(read('Dockerfile'))!;
  const [, ...options] = entryPoint!.replaceAll(/[",]/g, '').split(' ').slice(0, -1);
  const [, given] = /^Environment=NODE_OPTIONS=(.*)$/m.exec(read('config/postern.service'))!;
  expect(options.length).toBeGreaterThan(0);
  expect(given!.split(' ')).toEqual(options);
});

test('every action of audit records is explained, and no other is', () => {
  const rows = table(section(read('docs/portal.md'), '## Audit records')).flatMap(([action]) =>
    codes(action!),
  );
  expect(sorted(rows)).toEqual(sorted(AUDIT_ACTIONS));
});

describe('the log', () => {
  const source = readdirSync(new URL('../../../src/events', import.meta.url))
    .map((file) => read(`src/events/${file}`))
    .join('\n');
  const logged = [...source.matchAll(/log(?:\.(\w+)|\[\w+\])\(\s*(?:\{\s*event: '(\w+)'|line,)/g)];

  test('every event is in the table, and no other is', () => {
    const events = [...source.matchAll(/\bevent: '(\w+)'/g)].map(([, event]) => event!);
    expect(events.length).toBeGreaterThan(10);
    const rows = table(section(operations, '## Log')).flatMap(([event]) => codes(event!));
    expect(sorted(rows)).toEqual(sorted(new Set(events)));
  });

  test('at its level', () => {
    const levels = new Map(
      table(section(operations, '## Log')).map(([event, level]) => [codes(event!)[0], level]),
    );
    const wrong = logged
      .filter(([, level, event]) => level !== undefined && event !== undefined && levels.get(event) !== level)
      .map(([, level, event]) => `${event} is logged as ${level}, the table says ${levels.get(event!)}`);
    expect(wrong).toEqual([]);
    expect(logged.length).toBeGreaterThan(10);
  });
});

test('alerts ask for metrics and labels that exist', () => {
  const [alerts] = fenced(section(operations, '## Alerts'), 'yaml');
  const names = Object.keys(METRICS) as (keyof typeof METRICS)[];
  const asked = [...alerts!.matchAll(/\b(postern_\w+)(?:\{([^}]*)\})?/g)];
  expect(asked.length).toBeGreaterThan(5);
  for (const [, name, selector = ''] of asked) {
    expect(names).toContain(name);
    const labels = [...selector.matchAll(/(\w+)=~?"([^"]*)"/g)];
    for (const [, label, value] of labels) {
      expect(Object.keys(METRICS[name as (typeof names)[number]].labels)).toContain(label);
      if (label === 'reason') for (const reason of value!.split('|')) expect(REASONS).toContain(reason);
    }
  }
});
