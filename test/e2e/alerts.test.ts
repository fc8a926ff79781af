// The alerts of docs/operations.md, evaluated by Prometheus itself (`promtool test rules`) over what Postern's metrics do when the thing
// happens for the first time: each alert fires for it, and none for a quiet quarter of an hour.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { createEvents, createMetrics, type Events, type LoginFacts } from '../../src/events.ts';
import type { Reason } from '../../src/gate/verdict.ts';
import { createLog } from '../../src/lib/log.ts';
import { tempDir } from '../support/temp-dir.ts';
import { fenced, read, section } from '../unit/docs/markdown.ts';

const [rules = ''] = fenced(section(read('docs/operations.md'), '## Alerts'), 'yaml');
const alerts = (parse(rules) as { groups: { rules: { alert: string }[] }[] }).groups.flatMap((group) =>
  group.rules.map(({ alert }) => alert),
);

const DAY = 86_400;
const CONNECTION = { id: 'c1', listener: 'imaps', client: { address: '192.0.2.7', port: 40_000 } };

function login(events: Events, verdict: LoginFacts['verdict'], reason: Reason, times = 1): void {
  const facts = { user: null, passwordId: null, tls: null, software: null, upstream: null };
  for (let time = 0; time < times; time++)
    events.login(CONNECTION, { protocol: 'imap', verdict, reason, ...facts, seconds: 0.1, answered: true });
}

interface Cause {
  /** What happens: once. */
  readonly once?: (events: Events) => void;
  /** And in each minute from then on. */
  readonly everyMinute?: (events: Events) => void;
  /** Minutes from then until the alert has to be there. */
  readonly within: number;
}

const CAUSES: Readonly<Record<string, Cause>> = {
  PosternDown: { within: 3 },
  PosternStoreDown: { once: (events) => events.storeChanged('write', new Error('full')), within: 2 },
  PosternOverloaded: { once: (events) => events.overloadChanged(true, 600), within: 2 },
  PosternUpstreamDown: { once: (events) => events.upstreamUp('dovecot', false), within: 3 },
  PosternUpstreamRefusesPostern: {
    once: (events) => login(events, 'unavailable', 'upstream_refused_postern'),
    within: 2,
  },
  PosternUnavailable: {
    everyMinute(events) {
      login(events, 'unavailable', 'store');
      login(events, 'admitted', 'none', 10);
    },
    within: 8,
  },
  PosternHashQueueLong: { once: (events) => events.verificationQueue(51), within: 6 },
  PosternCertificateEnds: {
    once: (events) => events.certificateLoaded({ expiresAt: 6 * DAY, fingerprint: 'AA' }, 0),
    within: 1,
  },
  PosternReloadFailed: { once: (events) => events.reloadFailed(['a mistake']), within: 1 },
  PosternRejectsConnections: {
    once: (events) =>
      events.connectionRejected({ listener: 'imaps', address: '192.0.2.7', bound: 'perNetwork' }),
    within: 2,
  },
  PosternLimitsNotShared: { once: (events) => events.throttleDegraded('gone'), within: 6 },
  PosternGuessing: {
    everyMinute: (events) => login(events, 'throttled', 'network_blocked', 120),
    within: 50,
  },
};

/** Minutes in which nothing happens. */
const QUIET = 15;

/** What Prometheus would have scraped, a value a minute: the series of promtool's tests. `_` is none. */
async function scrape(cause: Cause, isDown: boolean): Promise<{ series: string; values: string }[]> {
  const metrics = createMetrics();
  const events = createEvents({ log: createLog('silent'), metrics });
  events.listenerNamed('imaps');
  events.upstreamNamed('dovecot', 'imap');
  events.upstreamUp('dovecot', true);
  events.certificateLoaded({ expiresAt: 90 * DAY, fingerprint: 'AA' }, 0);
  events.ready('1.0.0', 'v24');
  const minutes: Map<string, string>[] = [];
  for (let minute = 0; minute <= QUIET + cause.within; minute++) {
    if (minute === QUIET) cause.once?.(events);
    if (minute >= QUIET) cause.everyMinute?.(events);
    const values = new Map([['up{job="postern"}', isDown && minute >= QUIET ? '0' : '1']]);
    for (const line of (await metrics.render()).body.split('\n')) {
      const [, series, value] = /^(postern_\S+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
      if (series !== undefined && value !== undefined) values.set(series, value);
    }
    minutes.push(values);
  }
  const names = new Set(minutes.flatMap((values) => [...values.keys()]));
  return [...names].map((series) => ({
    series,
    values: minutes.map((values) => values.get(series) ?? '_').join(' '),
  }));
}

test('each alert has a cause here', () => {
  expect(Object.keys(CAUSES).toSorted()).toEqual(alerts.toSorted());
});

test.each(Object.entries(CAUSES))('%s', async (alert, cause) => {
  using dir = tempDir();
  writeFileSync(join(dir.path, 'rules.yaml'), rules);
  const firing = `ALERTS{alertstate="firing"}`;
  const itself = `count(ALERTS{alertname="${alert}", alertstate="firing"}) > bool 0`;
  const scenario = {
    rule_files: ['rules.yaml'],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: await scrape(cause, alert === 'PosternDown'),
        promql_expr_test: [
          { expr: firing, eval_time: `${QUIET - 1}m`, exp_samples: [] },
          { expr: itself, eval_time: `${QUIET + cause.within}m`, exp_samples: [{ labels: '{}', value: 1 }] },
        ],
      },
    ],
  };
  writeFileSync(join(dir.path, 'scenario.yaml'), stringify(scenario));
  // Rejects with what promtool says of it.
  await promisify(execFile)('promtool', ['test', 'rules', join(dir.path, 'scenario.yaml')]);
});
