// `node test/support/metrics-reference.ts` writes docs/metrics.md from the table of metrics. A test fails when they differ.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { METRICS } from '../../src/events.ts';
import { REASONS } from '../../src/gate/verdict.ts';
import { PROTOCOLS } from '../../src/lib/protocol.ts';

/** What a label's values are, by label, or by metric and label where that makes a difference. */
const VALUES: Readonly<Record<string, string>> = {
  protocol: `${PROTOCOLS.map((one) => `\`${one}\``).join(', ')} (\`pop3\` is not spoken yet)`,
  verdict: '`admitted`, `refused`, `throttled`, `unavailable`',
  reason: `${REASONS.map((reason) => `\`${reason}\``).join(', ')}; see [operations.md](operations.md#verdicts-and-reasons)`,
  'postern_sessions_ended_total reason':
    '`client_closed`, `upstream_closed`, `client_error`, `upstream_error`, `idle`, `revoked`, `expired`, `user_disabled`, `admin`, `shutdown`',
  result: '`match`, `mismatch`',
  'postern_portal_sign_ins_total result':
    '`signed_in`, `refused`, `no_two_step`, `cancelled`, `failed`, `unavailable`; see [portal.md](portal.md#when-a-sign-in-fails)',
  'postern_portal_rejected_total reason': '`rate`, `connections`, `csrf`',
  'postern_portal_mail_total result': '`sent`, `retried`, `failed`, `dropped`',
  outcome:
    '`accepted`; `refused`, `deferred`: by the upstream, for good or for now; `refused_here`: by Postern, in the middle of it; `aborted`: the client or the upstream went before its end; `unknown`: the upstream went before it answered, and may have delivered it',
  'postern_submission_refusals_total reason':
    '`sender`, `null_sender`, `size`, `recipients`, `message_quota`, `recipient_quota`, `bare_newline`, `nul`: the key of `routes[].submission` that says so',
  direction: '`to_upstream`, `to_client`',
  operation: '`read`, `write`',
  listener: 'the listener’s name in the configuration',
  upstream: 'the upstream’s name in the configuration',
  limit:
    '`connections`, `perNetwork`, `beforeLogin`: the key of `limits` that was reached; `fileDescriptors`: the limit on open files',
  'postern_tls_connections_total version': '`TLSv1.2`, `TLSv1.3`',
  'postern_tls_failures_total kind': '`handshake`, `plaintext_on_tls_port`, `tls_on_starttls_port`, `http`',
  'postern_proxy_headers_refused_total kind':
    '`missing`, `malformed`, `checksum`, `late`, `closed`, `closed_silently`, `second`, `untrusted`; see [operations.md](operations.md#behind-a-balancer)',
  'postern_build_info version': 'Postern’s version',
  node: 'the version of Node.js',
};

export function metricsReference(): string {
  const sections = Object.entries(METRICS).map(([name, { type, help, labels }]) => {
    const rows = labels.map((label) => `- \`${label}\`: ${valuesOf(name, label)}`);
    return [
      `## \`${name}\``,
      '',
      `${capital(type)}. ${help}`,
      ...(rows.length > 0 ? ['', ...rows] : []),
    ].join('\n');
  });
  return `${HEAD}\n${sections.join('\n\n')}\n`;
}

function valuesOf(metric: string, label: string): string {
  const values = VALUES[`${metric} ${label}`] ?? VALUES[label];
  if (values === undefined)
    throw new Error(`docs/metrics.md has no words for the label ${label} of ${metric}`);
  return values;
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

const HEAD = `# Metrics

<!-- Made by \`node test/support/metrics-reference.ts\` from src/events. Change it there. -->

\`GET /metrics\` on \`admin.address\` gives them in the Prometheus text format, together with Node.js' own (\`process_…\`, \`nodejs_…\`).
Labels are words fixed in the code or names from the configuration: never a user, an address or an error's text. A label's combination
appears when it first happens. What to alert on is in [operations.md](operations.md#alerts).
`;

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, '..', '..', 'docs', 'metrics.md'), metricsReference());
}
