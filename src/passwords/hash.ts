// argon2id (RFC 9106) as PHC strings. The work is done on libuv's thread pool, not on the event loop.

import { hash, parseOptions, verify } from '@node-rs/argon2';
import type { AppPassword } from './app-password.ts';

export interface HashParameters {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
}

/** What the configuration may ask for at most. A hash that asks for more was not made here, and could take all the memory there is. */
export const MOST_HASH_PARAMETERS: HashParameters = { memoryKiB: 1_048_576, passes: 100, lanes: 16 };

const TAG_BYTES = 32;
const SALT_BYTES = 16;
// `Algorithm.Argon2id` and `Version.V0x13`: the package declares them as const enums, which single-file
// transpilation cannot read.
const ARGON2ID = 2;
const VERSION_13 = 1;

/** `$argon2id$v=19$m=…,t=…,p=…$salt$tag`: a random 16-byte salt (the binding draws it), a 32-byte tag. */
export function hashAppPassword(password: AppPassword, parameters: HashParameters): Promise<string> {
  return hash(password.reveal(), {
    algorithm: ARGON2ID,
    version: VERSION_13,
    memoryCost: parameters.memoryKiB,
    timeCost: parameters.passes,
    parallelism: parameters.lanes,
    outputLen: TAG_BYTES,
  });
}

/** Whether the secret is the one that was hashed. Rejects if `phc` is no PHC string of argon2, or asks for too much. */
export async function verifyAppPassword(phc: string, password: AppPassword): Promise<boolean> {
  const made = parseOptions(phc);
  const { memoryKiB, passes, lanes } = MOST_HASH_PARAMETERS;
  if (made.memoryCost > memoryKiB || made.timeCost > passes || made.parallelism > lanes) {
    throw new RangeError('a hash in the store asks for more than Postern ever does');
  }
  return verify(phc, password.reveal());
}

/** Whether a record that was hashed so should be hashed again, with `parameters`, at its next login. */
export function needsRehash(phc: string, parameters: HashParameters): boolean {
  const made = parseOptions(phc);
  return (
    made.algorithm !== ARGON2ID ||
    made.version !== VERSION_13 ||
    made.memoryCost !== parameters.memoryKiB ||
    made.timeCost !== parameters.passes ||
    made.parallelism !== parameters.lanes ||
    made.outputLen !== TAG_BYTES ||
    made.saltLen < SALT_BYTES
  );
}
