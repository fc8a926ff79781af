// `throttle`: limits on guessing. None of them stops a right app password.

import { duration, integer, listOf, network, section } from '../values.ts';

function guessLimit(what: string, limit: { distinct: number; window: string; block: string }) {
  return section({
    distinct: integer(1, 1_000_000)
      .prefault(limit.distinct)
      .describe(`Distinct wrong app passwords from ${what} …`),
    window: duration('10ms', '1d').prefault(limit.window).describe('… within this time …'),
    block: duration('10ms', '1d')
      .prefault(limit.block)
      .describe(
        '… lead to a block of this time. It doubles with each further block, up to a day, and halves again for each quiet day.',
      ),
  }).prefault({});
}

export const throttleSchema = section({
  failureDelay: duration('0ms', '30s')
    .prefault('2s')
    .describe('Every refusal is answered so long after the attempt.'),
  parked: integer(1, 1_000_000)
    .prefault(1_000)
    .describe(
      'Connections that may wait for their refusal at a time, in all; past that they are closed unanswered.',
    ),
  parkedPerNetwork: integer(1, 1_000_000)
    .prefault(100)
    .describe(
      'Connections that may wait for their refusal at a time, from one IPv4 address or one IPv6 /64.',
    ),
  exempt: listOf(network())
    .prefault([])
    .describe(
      'Networks that are never counted or blocked: a webmail server, an address that many users share.',
    ),
  attempts: section({
    most: integer(1, 1_000_000_000)
      .prefault(20_000)
      .describe('Attempts of any kind from one IPv4 address or one IPv6 /64 …'),
    window: duration('10ms', '1d').prefault('10m').describe('… within this time; more are throttled.'),
  }).prefault({}),
  network: guessLimit('one IPv4 address or one IPv6 /64', { distinct: 30, window: '10m', block: '10m' }),
  networkAndUser: guessLimit('there for one user', { distinct: 10, window: '1h', block: '15m' }),
}).prefault({});
