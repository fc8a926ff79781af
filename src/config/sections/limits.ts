// `limits`: how many connections, for how long.

import { duration, integer, section } from '../values.ts';

export const limitsSchema = section({
  connections: integer(1, 1_000_000).prefault(10_000).describe('Connections at a time, in all.'),
  perNetwork: integer(1, 1_000_000)
    .prefault(200)
    .describe('Connections at a time from one IPv4 address or one IPv6 /64.'),
  beforeLogin: integer(1, 1_000_000)
    .prefault(2_000)
    .describe(
      'Connections at a time that have not logged in yet. Past it, those that say nothing give way to new ones.',
    ),
  perUser: integer(1, 1_000_000).prefault(100).describe('Live sessions of one user at a time.'),
  loginDeadline: duration('10ms', '10m')
    .prefault('60s')
    .describe('Time from connecting to having logged in.'),
  attemptsPerConnection: integer(1, 100)
    .prefault(5)
    .describe('Refused logins on one connection before it is closed.'),
  idle: duration('10ms', '7d')
    .prefault('35m')
    .describe(
      'A session is closed when nothing passes in either direction for so long. RFC 3501 §5.4 wants 30m or more.',
    ),
  drain: duration('0ms', '1h')
    .prefault('30s')
    .describe('Time that sessions get to end by themselves when Postern stops.'),
}).prefault({});
