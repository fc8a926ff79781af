// `throttle`: limits on guessing. None of them stops a right app password.

import { listOf, section } from '../shapes.ts';
import { duration, integer, network } from '../values.ts';

export const throttleSchema = section({
  /** Every refusal is answered so long after the attempt. */
  failureDelay: duration('0ms', '30s').prefault('2s'),
  /** Connections that may wait for their refusal at a time, in all; past that they are closed unanswered. */
  parked: integer(1, 1_000_000).prefault(1_000),
  /** Connections that may wait for their refusal at a time, from one IPv4 address or one IPv6 /64. */
  parkedPerNetwork: integer(1, 1_000_000).prefault(100),
  /** Networks that are never counted or blocked: a webmail server, an address that many users share. */
  exempt: listOf(network()).prefault([]),
  attempts: section({
    /** Attempts of any kind from one IPv4 address or one IPv6 /64 … */
    most: integer(1, 1_000_000_000).prefault(20_000),
    /** … within this time; more are throttled. */
    window: duration('10ms', '1d').prefault('10m'),
  }).prefault({}),
  network: section({
    /** Distinct wrong app passwords from one IPv4 address or one IPv6 /64 … */
    distinct: integer(1, 1_000_000).prefault(30),
    /** … within this time … */
    window: duration('10ms', '1d').prefault('10m'),
    /** … lead to a block of this time. It doubles with each further block, up to a day, and halves again for each quiet day. */
    block: duration('10ms', '1d').prefault('10m'),
  }).prefault({}),
  networkAndUser: section({
    /** Distinct wrong app passwords from there for one user … */
    distinct: integer(1, 1_000_000).prefault(10),
    /** … within this time … */
    window: duration('10ms', '1d').prefault('1h'),
    /** … lead to a block of this time. It doubles with each further block, up to a day, and halves again for each quiet day. */
    block: duration('10ms', '1d').prefault('15m'),
  }).prefault({}),
}).prefault({});
