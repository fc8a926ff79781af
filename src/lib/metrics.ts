// Metrics: a table of them becomes a registry, and says what may be counted. Labels are enums fixed in code or names from the config,
// never a user, an address or an error text. Which metrics there are, src/events says, subject by subject.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

export type MetricTable = Readonly<Record<string, MetricDefinition>>;

/** Buckets for what a person waits for. */
export const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

type Labels = Readonly<Record<string, string>>;

/** One process's metrics. A name or label that the table does not have is an error at once, in tests too. */
export class Metrics<Name extends string> {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();

  constructor(table: Readonly<Record<Name, MetricDefinition>>) {
    const registers = [this.#registry];
    for (const [name, { type, help, labels, ...rest }] of Object.entries<MetricDefinition>(table)) {
      const options = { name, help, labelNames: [...labels], registers };
      if (type === 'counter') this.#counters.set(name, new Counter(options));
      else if (type === 'gauge') this.#gauges.set(name, new Gauge(options));
      else this.#histograms.set(name, new Histogram({ ...options, buckets: [...(rest.buckets ?? SECONDS)] }));
    }
  }

  increment(name: Name, labels: Labels = {}, by = 1): void {
    known(this.#counters, name).inc(labels, by);
  }

  observe(name: Name, labels: Labels, value: number): void {
    known(this.#histograms, name).observe(labels, value);
  }

  set(name: Name, labels: Labels, value: number): void {
    known(this.#gauges, name).set(labels, value);
  }

  /** The gauge has no such value any more. */
  remove(name: Name, labels: Labels): void {
    known(this.#gauges, name).remove(labels);
  }

  add(name: Name, labels: Labels, by: number): void {
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
