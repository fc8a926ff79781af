// `appPasswords`: how many, how they are hashed, how long a result is remembered.

import { section } from '../shapes.ts';
import { duration, integer } from '../values.ts';

/** OWASP's weakest recommended setting has 7 MiB (with 5 passes); nothing below it. */
const LEAST_MEMORY_KIB = 7_168;

export const appPasswordsSchema = section({
  /** App passwords that one user may have at a time. */
  maxPerUser: integer(1, 1_000).prefault(40),
  hash: section({
    /** Memory of one argon2id run, KiB. A record hashed with other parameters is rehashed at its next login. */
    memoryKiB: integer(LEAST_MEMORY_KIB, 1_048_576).prefault(19_456),
    /** Passes of one argon2id run over its memory. */
    passes: integer(1, 100).prefault(2),
    /** Lanes of one argon2id run (its parallelism). */
    lanes: integer(1, 16).prefault(1),
    /** argon2id runs at a time. */
    concurrency: integer(1, 64).prefault(2),
    /** Verifications that may wait for a run; past that a login is answered as temporarily unavailable. */
    queue: integer(1, 100_000).prefault(200),
  }).prefault({}),
  /**
   * How long the result of a verification is remembered, in memory. A revoked app password stops at once all the
   * same.
   */
  remember: duration('0ms', '1h').prefault('5m'),
}).prefault({});
