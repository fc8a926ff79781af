// The rules that look at more than one key, each with the sections that it needs to see.

import type { Section } from './schema.ts';
import { checkListeners } from './sections/listeners.ts';
import { checkPortal } from './sections/portal.ts';
import { checkRedis } from './sections/redis.ts';
import { checkRoutes } from './sections/routes.ts';
import { checkStore } from './sections/store.ts';
import { checkTls } from './sections/tls.ts';
import { checkUpstreams } from './sections/upstreams.ts';
import { checkNameDirectory, checkUsers } from './sections/users.ts';
import type { Written } from './written.ts';

type Rule = readonly [check: (...sections: Written[]) => void, ...sections: Section[]];

const RULES: readonly Rule[] = [
  [checkStore, 'store'],
  [checkRedis, 'redis'],
  [checkTls, 'tls', 'listeners'],
  [checkUsers, 'users'],
  [checkNameDirectory, 'users', 'upstreams'],
  [checkListeners, 'listeners', 'admin', 'portal'],
  [checkUpstreams, 'upstreams'],
  [checkPortal, 'portal'],
  [checkRoutes, 'routes', 'upstreams'],
] as Rule[];

/** Applies the rules that have all their sections among those that are read. */
export function applyRules(written: Written, isRead: (section: string) => boolean): void {
  for (const [check, ...sections] of RULES) {
    if (sections.every(isRead)) check(...sections.map((section) => written.get(section)));
  }
}
