// What cannot change while Postern runs: where its state is, and where commands and monitoring find it.

import { Secret } from '../lib/secret.ts';
import type { Config, PortalConfig } from './schema.ts';

const FIXED = ['store', 'keys', 'redis', 'control', 'admin'] as const satisfies readonly (keyof Config)[];

/** One line for each section that would need a restart; none: the config can be swapped. */
export function needsRestart(running: Config, wanted: Config): string[] {
  const sections = FIXED.filter((section) => !isSame(running[section], wanted[section]));
  return [...sections, ...portalPlaces(running.portal, wanted.portal)].map(
    (section) => `${section}: cannot change while Postern runs; needs a restart`,
  );
}

/** Of the portal, what it listens on: all else is read anew with each request. */
function portalPlaces(running: PortalConfig | null, wanted: PortalConfig | null): string[] {
  if (running === null || wanted === null) return running === wanted ? [] : ['portal'];
  const isMoved = running.host !== wanted.host || running.port !== wanted.port;
  const isOtherwise = (running.tls === null) !== (wanted.tls === null);
  const isElsewhere = running.publicUrl !== wanted.publicUrl;
  return [
    ...(isMoved ? ['portal.address'] : []),
    ...(isOtherwise ? ['portal.tls'] : []),
    ...(isElsewhere ? ['portal.publicUrl'] : []),
  ];
}

/** Deeply, and secrets by what they hold. */
function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Secret && b instanceof Secret) return a.reveal() === b.reveal();
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const entries = Object.entries(a);
  return (
    entries.length === Object.keys(b).length &&
    entries.every(
      ([key, value]) => Object.hasOwn(b, key) && isSame(value, (b as Record<string, unknown>)[key]),
    )
  );
}
