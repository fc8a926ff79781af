// The state of one SMTP dialogue, and how to talk in it. The commands get it as their first argument.

import type { Events } from '../../events.ts';
import type { AdmissionDeps } from '../admission.ts';
import type { SmtpUpstream } from './upstream.ts';

export interface SmtpDeps extends AdmissionDeps {
  /** The name that Postern goes by, in its greeting and in its own EHLO. */
  readonly hostname: string;
  readonly upstreams: ReadonlyMap<string, SmtpUpstream>;
  readonly events: Events;
  /** Failed attempts after which the connection is closed. */
  readonly attemptsPerConnection: number;
  /** Milliseconds without a byte in either direction that end a session. */
  readonly idle: number;
}
