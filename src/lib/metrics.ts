// Metrics: a table of them becomes a registry, and says what may be counted. Labels are enums fixed in code or names from the config,
// never a user, an address or an error text. Which metrics there are, src/events says, subject by subject.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What in the config gives names to labels. */
export type NameKind = 'listener' | 'upstream' | 'smtpUpstream';

/** The words that a label may have, or whose names they are; `any`: nobody knows before it happens. */
export type LabelValues = readonly string[] | NameKind | 'any';

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: Readonly<Record<string, LabelValues>>;
  /** Which combinations of words there are. Default: all. */
  readonly has?: (labels: Labels) => boolean;
  readonly buckets?: readonly number[];
}

export type MetricTable = Readonly<Record<string, MetricDefinition>>;

/** Buckets for what a person waits for. */
export const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The keys of a map of words, as a label's values. */
export const words = <M extends object>(map: M) => Object.keys(map) as (keyof M & string)[];

export type Labels = Readonly<Record<string, string>>;

/**
 * One process's metrics. A name or label that the table does not have is an error at once, in tests too.
 *
 * What may happen is there at 0 before it happens: to Prometheus a series that begins at 1 has not increased. So combinations of words
 * begin with the process, and those with a name begin with `named`.
 */
export class Metrics<Name extends string> {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();

  readonly #table: Readonly<Record<string, MetricDefinition>>;
  readonly #named = new Set<string>();

  constructor(table: Readonly<Record<Name, MetricDefinition>>) {
    this.#table = table;
    const registers = [this.#registry];
    for (const [name, { type, help, labels, ...rest }] of Object.entries<MetricDefinition>(table)) {
      const options = { name, help, labelNames: Object.keys(labels), registers };
      if (type === 'counter') this.#counters.set(name, new Counter(options));
      else if (type === 'gauge') this.#gauges.set(name, new Gauge(options));
      else this.#histograms.set(name, new Histogram({ ...options, buckets: [...(rest.buckets ?? SECONDS)] }));
    }
    for (const [name, definition] of Object.entries<MetricDefinition>(table))
      this.#begin(name, definition, {});
  }

  /** The config has something of that name. Nothing happens to what has been counted for it already. */
  named(kind: NameKind, name: string): void {
    if (this.#named.has(`${kind} ${name}`)) return;
    this.#named.add(`${kind} ${name}`);
    for (const [metric, definition] of Object.entries(this.#table)) {
      if (Object.values(definition.labels).includes(kind))
        this.#begin(metric, definition, { [kind]: [name] });
    }
  }

  /** At 0, for all combinations whose words and names are known. */
  #begin(
    metric: string,
    definition: MetricDefinition,
    names: Readonly<Record<string, readonly string[]>>,
  ): void {
    let combinations: Labels[] = [{}];
    for (const [label, values] of Object.entries(definition.labels)) {
      const known = typeof values === 'string' ? (names[values] ?? []) : values;
      combinations = combinations.flatMap((labels) => known.map((value) => ({ ...labels, [label]: value })));
    }
    for (const labels of combinations) {
      if (definition.has?.(labels) === false) continue;
      this.#counters.get(metric)?.inc(labels, 0);
      this.#gauges.get(metric)?.inc(labels, 0);
      this.#histograms.get(metric)?.zero(labels);
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
