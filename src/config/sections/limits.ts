// `limits`: how many connections, for how long.

import { section } from '../shapes.ts';
import { duration, integer } from '../values.ts';

export const limitsSchema = section({
  /** Connections at a time, in all. */
  connections: integer(1, 1_000_000).prefault(10_000),
  /** Connections at a time from one IPv4 address or one IPv6 /64. */
  perNetwork: integer(1, 1_000_000).prefault(200),
  /** Connections at a time that have not logged in yet. Past it, those that say nothing give way to new ones. */
  beforeLogin: integer(1, 1_000_000).prefault(2_000),
  /** Live sessions of one user at a time. */
  perUser: integer(1, 1_000_000).prefault(100),
  /** Time from connecting to having logged in. */
  loginDeadline: duration('10ms', '10m').prefault('60s'),
  /** Refused logins on one connection before it is closed. */
  attemptsPerConnection: integer(1, 100).prefault(5),
  /** A session is closed when nothing passes in either direction for so long. RFC 3501 §5.4 wants 30m or more. */
  idle: duration('10ms', '7d').prefault('35m'),
  /** Time that sessions get to end by themselves when Postern stops. */
  drain: duration('0ms', '1h').prefault('30s'),
}).prefault({});
