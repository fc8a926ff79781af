// The whole configuration as it may be written: each section's schema under its key, in the order of the documentation.

import type { z } from 'zod';
import { adminSchema, logSchema } from './sections/admin.ts';
import { appPasswordsSchema } from './sections/app-passwords.ts';
import { ldapSchema } from './sections/ldap.ts';
import { limitsSchema } from './sections/limits.ts';
import { listenersSchema } from './sections/listeners.ts';
import { portalSchema } from './sections/portal.ts';
import { redisSchema } from './sections/redis.ts';
import { routesSchema } from './sections/routes.ts';
import { controlSchema, keysSchema, storeSchema } from './sections/store.ts';
import { throttleSchema } from './sections/throttle.ts';
import { tlsSchema } from './sections/tls.ts';
import { upstreamsSchema } from './sections/upstreams.ts';
import { usersSchema } from './sections/users.ts';
import { domain, section } from './values.ts';

export const configSchema = section({
  hostname: domain('mail.example.com').describe('The name that Postern goes by in its greetings.'),
  store: storeSchema.describe('Where app passwords are kept.'),
  keys: keysSchema.describe('The keys that app passwords are looked up by.'),
  redis: redisSchema
    .optional()
    .describe(
      'Where several processes keep the limits that they share. Without it, limits are each process’s own.',
    ),
  control: controlSchema.describe('How commands reach the running process.'),
  tls: tlsSchema.optional().describe('The certificate that clients see.'),
  users: usersSchema.describe('How the name that a client types becomes a user.'),
  listeners: listenersSchema.describe('Where clients come in. At least one.'),
  limits: limitsSchema.describe('How many connections, for how long.'),
  upstreams: upstreamsSchema.describe('The servers behind Postern, by a name of your choice. At least one.'),
  routes: routesSchema.describe(
    'Which users go to which upstream: the first that matches. A user without one is refused.',
  ),
  appPasswords: appPasswordsSchema.describe('How many app passwords, and how they are hashed.'),
  ldap: ldapSchema.describe('What holds for all LDAP listeners.'),
  throttle: throttleSchema.describe('Limits on guessing. None of them stops a right app password.'),
  portal: portalSchema
    .optional()
    .describe(
      'The pages where users make, see and delete their app passwords. Without this section there are none.',
    ),
  admin: adminSchema.optional().describe('Metrics and health.'),
  log: logSchema.describe('What is logged.'),
});

/** What the schema makes of a configuration: defaults filled in, durations in milliseconds, paths as written. */
export type ParsedConfig = z.output<typeof configSchema>;
