// The whole configuration as it may be written: each section's schema under its key, in the order of the documentation.

import type { z } from 'zod';
import type { Secret } from '../lib/secret.ts';
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
import { optional, section } from './shapes.ts';
import { domain } from './values.ts';

export const configSchema = section({
  /** The name that Postern goes by in its greetings. */
  hostname: domain('mail.example.com'),
  /** Where app passwords are kept. */
  store: storeSchema,
  /** The keys that app passwords are looked up by. */
  keys: keysSchema,
  /** Where several processes keep the limits that they share. Without it, limits are each process’s own. */
  redis: optional(redisSchema),
  /** How commands reach the running process. */
  control: controlSchema,
  /** The certificate that clients see. */
  tls: optional(tlsSchema),
  /** How the name that a client types becomes a user. */
  users: usersSchema,
  /** Where clients come in. At least one. */
  listeners: listenersSchema,
  /** How many connections, for how long. */
  limits: limitsSchema,
  /** The servers behind Postern, by a name of your choice. At least one. */
  upstreams: upstreamsSchema,
  /** Which users go to which upstream: the first that matches. A user without one is refused. */
  routes: routesSchema,
  /** How many app passwords, and how they are hashed. */
  appPasswords: appPasswordsSchema,
  /** What holds for all LDAP listeners. */
  ldap: ldapSchema,
  /** Limits on guessing. None of them stops a right app password. */
  throttle: throttleSchema,
  /** The pages where users make, see and delete their app passwords. Without this section there are none. */
  portal: optional(portalSchema),
  /** Metrics and health. */
  admin: optional(adminSchema),
  /** What is logged. */
  log: logSchema,
});

export type Section = keyof typeof configSchema.shape;

/** What may be written; for the documentation of its keys. */
export type WrittenConfig = z.input<typeof configSchema>;

/**
 * The configuration as the rest of Postern sees it: checked, every default filled in, every time in milliseconds, every path
 * absolute, every secret a `Secret`, what is left out null.
 */
export type Config = Immutable<z.output<typeof configSchema>> & {
  /** The file it was read from, absolute. */
  readonly file: string;
  /** What was written in a way that may not say what it is meant to: for `configWarnings`. */
  readonly doubts: readonly string[];
};

/** Read-only all the way down, with the documentation of its keys. */
type Immutable<Value> = Value extends string | number | boolean | null | undefined | Secret
  ? Value
  : Value extends readonly (infer Item)[]
    ? readonly Immutable<Item>[]
    : { readonly [Key in keyof Value]: Immutable<Value[Key]> };

export type PortalConfig = NonNullable<Config['portal']>;
export type RouteConfig = Config['routes'][number];
export type UpstreamConfig = Config['upstreams'][string];
