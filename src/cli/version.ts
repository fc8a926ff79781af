// Postern's own version, from its package.json: the one place that states it.

import { readFileSync } from 'node:fs';

/** Semantic version without a leading v. */
export function version(): string {
  // The same relative place from src/cli/ and from dist/cli/.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
