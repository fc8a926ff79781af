// `appPasswords`: how many, how they are hashed, how long a result is remembered.

import { duration, integer, section } from '../values.ts';

/** OWASP's weakest recommended setting has 7 MiB (with 5 passes); nothing below it. */
const LEAST_MEMORY_KIB = 7_168;

export const appPasswordsSchema = section({
  maxPerUser: integer(1, 1_000).prefault(40).describe('App passwords that one user may have at a time.'),
  hash: section({
    memoryKiB: integer(LEAST_MEMORY_KIB, 1_048_576)
      .prefault(19_456)
      .describe(
        'Memory of one argon2id run, KiB. A record hashed with other parameters is rehashed at its next login.',
      ),
    passes: integer(1, 100).prefault(2).describe('Passes of one argon2id run over its memory.'),
    lanes: integer(1, 16).prefault(1).describe('Lanes of one argon2id run (its parallelism).'),
    concurrency: integer(1, 64).prefault(2).describe('argon2id runs at a time.'),
    queue: integer(1, 100_000)
      .prefault(200)
      .describe(
        'Verifications that may wait for a run; past that a login is answered as temporarily unavailable.',
      ),
  }).prefault({}),
  remember: duration('0ms', '1h')
    .prefault('5m')
    .describe(
      'How long the result of a verification is remembered, in memory. A revoked app password stops at once all the same.',
    ),
}).prefault({});
