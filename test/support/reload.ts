// Changes the config of a running Postern, as an admin would: an edit, then SIGHUP.

import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { parse, stringify } from 'yaml';
import { until } from './patience.ts';
import type { Postern } from './postern.ts';

/** The config as it is written. Sections are what a test makes of them. */
// biome-ignore lint/suspicious/noExplicitAny: YAML that tests change at any depth.
export type WrittenConfig = Record<string, any>;

export type Outcome =
  | { readonly event: 'reloaded' }
  | { readonly event: 'reload_failed'; readonly problems: string[] };

/** Writes the config that `change` makes of the present one; does not reload. */
export function editConfig(postern: Postern, change: (config: WrittenConfig) => void): void {
  const config: WrittenConfig = parse(readFileSync(postern.configFile, 'utf8'));
  change(config);
  writeFileSync(postern.configFile, stringify(config));
}

/** SIGHUP, and what came of it. */
export async function reload(postern: Postern): Promise<Outcome> {
  const outcomes = () =>
    postern.events().filter(({ event }) => event === 'reloaded' || event === 'reload_failed');
  const before = outcomes().length;
  postern.signal('SIGHUP');
  await until('a reload has an outcome', () => outcomes().length > before);
  const [first, ...more] = outcomes().slice(before);
  if (first?.event === 'reloaded') return { event: 'reloaded' };
  return { event: 'reload_failed', problems: [first, ...more].map((line) => String(line?.problem)) };
}

/** Edits and reloads, which has to work. */
export async function reloadWith(postern: Postern, change: (config: WrittenConfig) => void): Promise<void> {
  editConfig(postern, change);
  expect(await reload(postern)).toEqual({ event: 'reloaded' });
}
