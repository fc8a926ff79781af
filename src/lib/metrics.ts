// Every metric that Postern has. The table is the source of the registry, and of docs/metrics.md: a test keeps them
// equal. Labels are enums fixed in code or names from the config, never a user, an address or an error text.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

interface Definition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const METRICS = {
  postern_logins_total: {
    type: 'counter',
    help: 'Attempts to log in, by their outcome; the reason is none when admitted.',
    labels: ['protocol', 'verdict', 'reason'],
  },
  postern_login_seconds: {
    type: 'histogram',
    help: 'Time from reading an admitted attempt to its answer, the upstream login included.',
    labels: ['protocol'],
    buckets: SECONDS,
  },
  postern_password_verifications_total: {
    type: 'counter',
    help: 'argon2id runs that verified an app password, by result.',
    labels: ['result'],
  },
  postern_verification_queue_length: {
    type: 'gauge',
    help: 'Verifications that wait for an argon2id run.',
    labels: [],
  },
  postern_sessions: { type: 'gauge', help: 'Live sessions.', labels: ['protocol'] },
  postern_session_bytes_total: {
    type: 'counter',
    help: 'Bytes carried by sessions, counted when a session ends.',
    labels: ['protocol', 'direction'],
  },
  postern_sessions_ended_total: {
    type: 'counter',
    help: 'Sessions that ended, by what ended them.',
    labels: ['protocol', 'reason'],
  },
  postern_messages_total: {
    type: 'counter',
    help: 'Messages for which the upstream had taken recipients, by what became of them.',
    labels: ['upstream', 'outcome'],
  },
  postern_message_recipients_total: {
    type: 'counter',
    help: 'Recipients of accepted messages.',
    labels: ['upstream'],
  },
  postern_message_bytes: {
    type: 'histogram',
    help: 'Size of accepted messages.',
    labels: [],
    buckets: [1_000, 10_000, 100_000, 1_000_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000],
  },
  postern_message_seconds: {
    type: 'histogram',
    help: 'Time from MAIL to the upstream’s answer, of accepted messages.',
    labels: ['upstream'],
    buckets: SECONDS,
  },
  postern_submission_refusals_total: {
    type: 'counter',
    help: 'Senders, recipients and messages that Postern itself refused to clients that had logged in.',
    labels: ['reason'],
  },
  postern_connections: { type: 'gauge', help: 'Open client connections.', labels: ['listener'] },
  postern_connections_rejected_total: {
    type: 'counter',
    help: 'Client connections closed because a limit was reached: those that gave way, and new ones for which nobody did.',
    labels: ['listener', 'limit'],
  },
  postern_proxy_headers_refused_total: {
    type: 'counter',
    help: 'Connections closed because their PROXY header was missing, wrong or late, or came from a peer that is not trusted.',
    labels: ['listener', 'kind'],
  },
  postern_tls_connections_total: {
    type: 'counter',
    help: 'Completed TLS handshakes with clients.',
    labels: ['listener', 'version'],
  },
  postern_tls_failures_total: {
    type: 'counter',
    help: 'TLS handshakes with clients that failed, and clients that spoke plaintext on a TLS port or TLS on a plaintext one.',
    labels: ['listener', 'kind'],
  },
  postern_upstream_up: {
    type: 'gauge',
    help: '1 if any address of the upstream is usable, as far as is known; 0 if all are down.',
    labels: ['upstream'],
  },
  postern_upstream_connect_seconds: {
    type: 'histogram',
    help: 'Time to connect to an upstream: TCP, TLS and greeting.',
    labels: ['upstream'],
    buckets: SECONDS,
  },
  postern_store_up: {
    type: 'gauge',
    help: '1 while the store can be read (written), 0 while it cannot.',
    labels: ['operation'],
  },
  postern_overloaded: {
    type: 'gauge',
    help: '1 while the event loop is late and attempts that crowd are refused.',
    labels: [],
  },
  postern_portal_sign_ins_total: {
    type: 'counter',
    help: 'Sign-ins to the portal that came back from the provider, by what became of them.',
    labels: ['result'],
  },
  postern_portal_rejected_total: {
    type: 'counter',
    help: 'Requests and connections to the portal that were rejected: too many, or a change that no page of the portal asked for.',
    labels: ['reason'],
  },
  postern_portal_mail_total: {
    type: 'counter',
    help: 'Tries to send mail to users about their app passwords.',
    labels: ['result'],
  },
  postern_throttle_degraded: {
    type: 'gauge',
    help: '1 while limits that should be shared are kept by this process alone.',
    labels: [],
  },
  postern_config_last_reload_successful: {
    type: 'gauge',
    help: '1 if the config that was loaded last is in force.',
    labels: [],
  },
  postern_tls_certificate_expiry_timestamp_seconds: {
    type: 'gauge',
    help: 'When the certificate that clients are shown ends, in seconds since the epoch.',
    labels: [],
  },
  postern_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels tell the build.',
    labels: ['version', 'node'],
  },
} as const satisfies Record<string, Definition>;

export type MetricName = keyof typeof METRICS;
type Labels = Readonly<Record<string, string>>;

/** One process's metrics. A name or label that the table does not have is an error at once, in tests too. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();

  constructor() {
    const registers = [this.#registry];
    for (const [name, { type, help, labels, ...rest }] of Object.entries<Definition>(METRICS)) {
      const options = { name, help, labelNames: [...labels], registers };
      if (type === 'counter') this.#counters.set(name, new Counter(options));
      else if (type === 'gauge') this.#gauges.set(name, new Gauge(options));
      else this.#histograms.set(name, new Histogram({ ...options, buckets: [...(rest.buckets ?? SECONDS)] }));
    }
  }

  increment(name: MetricName, labels: Labels = {}, by = 1): void {
    known(this.#counters, name).inc(labels, by);
  }

  observe(name: MetricName, labels: Labels, value: number): void {
    known(this.#histograms, name).observe(labels, value);
  }

  set(name: MetricName, labels: Labels, value: number): void {
    known(this.#gauges, name).set(labels, value);
  }

  /** The gauge has no such value any more. */
  remove(name: MetricName, labels: Labels): void {
    known(this.#gauges, name).remove(labels);
  }

  add(name: MetricName, labels: Labels, by: number): void {
    known(this.#gauges, name).inc(labels, by);
  }

  /** Node's own metrics too (`process_…`, `nodejs_…`): once for a process that serves. */
  withProcessMetrics(): this {
    collectDefaultMetrics({ register: this.#registry });
    return this;
  }

  /** The exposition text of Prometheus and its content type. */
  async render(): Promise<{ body: string; contentType: string }> {
    return { body: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }
}

function known<T>(metrics: Map<string, T>, name: string): T {
  const metric = metrics.get(name);
  if (metric === undefined) throw new Error(`${name} is not a metric of that type`);
  return metric;
}
