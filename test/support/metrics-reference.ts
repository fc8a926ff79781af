// `node test/support/metrics-reference.ts` writes docs/metrics.md from the table of metrics. A test fails when they differ.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { METRICS } from '../../src/events.ts';
import type { LabelValues } from '../../src/lib/metrics.ts';

/** What there is to say of a label's values beside the words themselves, by label, or by metric and label where that makes a difference. */
const MORE: Readonly<Record<string, string>> = {
  'postern_logins_total reason': 'see [operations.md](operations.md#verdicts-and-reasons)',
  'postern_portal_sign_ins_total result': 'see [portal.md](portal.md#when-a-sign-in-fails)',
  outcome:
    '`refused`, `deferred`: by the upstream, for good or for now; `refused_here`: by Postern, in the middle of it; `aborted`: the client or the upstream went before its end; `unknown`: the upstream went before it answered, and may have delivered it',
  'postern_submission_refusals_total reason': 'the key of `routes[].submission` that says so',
  'postern_limit key': '`fileDescriptors`: the connections that the limit on open files lasts for',
  limit: 'the key of `limits` that was reached, and the limit on open files',
  'postern_proxy_headers_refused_total kind': 'see [operations.md](operations.md#behind-a-balancer)',
};

/** Where the config or the build gives the values. */
const NAMES: Readonly<Record<string, string>> = {
  listener: 'the listener’s name in the configuration',
  upstream: 'the upstream’s name in the configuration',
  version: 'Postern’s version',
  node: 'the version of Node.js',
};

export function metricsReference(): string {
  const sections = Object.entries(METRICS).map(([name, { type, help, labels }]) => {
    const rows = Object.entries<LabelValues>(labels).map(
      ([label, values]) => `- \`${label}\`: ${valuesOf(name, label, values)}`,
    );
    return [
      `## \`${name}\``,
      '',
      `${capital(type)}. ${help}`,
      ...(rows.length > 0 ? ['', ...rows] : []),
    ].join('\n');
  });
  return `${HEAD}\n${sections.join('\n\n')}\n`;
}

function valuesOf(metric: string, label: string, values: LabelValues): string {
  const list = typeof values === 'string' ? NAMES[label] : values.map((word) => `\`${word}\``).join(', ');
  if (list === undefined) throw new Error(`docs/metrics.md has no words for the label ${label} of ${metric}`);
  const more = MORE[`${metric} ${label}`] ?? MORE[label];
  return more === undefined ? list : `${list}; ${more}`;
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

const HEAD = `# Metrics

<!-- Made by \`node test/support/metrics-reference.ts\` from src/events. Change it there. -->

\`GET /metrics\` on \`admin.address\` gives them in the Prometheus text format, together with Node.js' own (\`process_…\`, \`nodejs_…\`).
Labels are words fixed in the code or names from the configuration: never a user, an address or an error's text. What may be counted is
there at 0 from the start, and from a reload for a name that is new, so that \`increase()\` sees the first time. What to alert on is in [operations.md](operations.md#alerts).
`;

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, '..', '..', 'docs', 'metrics.md'), metricsReference());
}
