// Reads what /metrics gives (Prometheus text format 0.0.4), for tests.

export interface Metrics {
  /**
   * The value of a sample, or the sum of all samples of that name that have these labels. 0 if there is none, as Prometheus'
   * `sum()` would be taken; ask `has` whether the metric exists.
   */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
  has(name: string): boolean;
  /** Names of all metrics, as in their `# TYPE` lines. */
  readonly names: readonly string[];
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Throws on a line that is not of the format. */
export function parseMetrics(text: string): Metrics {
  const samples: Sample[] = [];
  const names: string[] = [];
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\S+) /.exec(line);
    if (type) names.push(type[1]!);
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/.exec(line);
    if (!match) throw new Error(`not a line of the Prometheus text format: ${line}`);
    const labels: Record<string, string> = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name!] = value!.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    }
    samples.push({ name: match[1]!, labels, value: match[3] === '+Inf' ? Infinity : Number(match[3]) });
  }
  return {
    names,
    has: (name) => names.includes(name),
    value: (name, labels = {}) =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
        .reduce((sum, sample) => sum + sample.value, 0),
  };
}
