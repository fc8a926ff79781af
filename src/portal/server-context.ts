// What the parts of the portal's server share.

import type { KeyObject } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Events } from '../events.ts';
import type { Clock } from '../lib/clock.ts';
import type { User } from '../lib/user.ts';
import type { CookieNames } from './cookies.ts';
import type { Audit, Notice } from './pages-interface.ts';
import type { Provider } from './provider.ts';
import type { Buckets } from './rate-limit.ts';
import type { PortalSessions } from './session.ts';
import type { PortalTerms } from './terms.ts';

export interface PortalContext {
  readonly publicUrl: string;
  readonly cookies: CookieNames;
  readonly terms: () => PortalTerms;
  /** Of the terms in force. */
  readonly provider: () => Provider;
  readonly sessions: PortalSessions;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly events: Events;
  /** What the cookies of sign-ins under way are sealed with. */
  readonly sealingKey: KeyObject;
  readonly signInRate: Buckets;
  isDisabled(user: User): Promise<boolean>;
  /** Answers with a page that says one thing. */
  notice(reply: FastifyReply, status: number, notice: Notice): Promise<FastifyReply>;
  /** The client's address in canonical text, proxies taken into account. */
  addressOf(request: FastifyRequest): string;
  /** What limits count it under. */
  networkOf(request: FastifyRequest): string;
}
