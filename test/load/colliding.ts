// `node test/load/colliding.ts`: how many argon2id runs somebody can cause whose guesses all collide with a record's selector, once the
// budget of its network is spent: what the second line of src/passwords/verifier.ts costs when it is always full. Takes ten seconds.

import { cpuUsage } from 'node:process';
import { generateAppPassword } from '../../src/passwords/app-password.ts';
import { hashAppPassword } from '../../src/passwords/hash.ts';
import { HashQueueFullError, Verifier } from '../../src/passwords/verifier.ts';

const SECONDS = 10;
const parameters = { memoryKiB: 19_456, passes: 2, lanes: 1 };

let runs = 0;
const verifier = new Verifier({ concurrency: 2, queue: 200, onVerified: () => runs++ });
const hash = await hashAppPassword(generateAppPassword(), parameters);
const guess = async (network: string): Promise<void> => {
  while (performance.now() < until) {
    const refused = await verifier.verifyLast(hash, generateAppPassword(), network).catch((error) => error);
    // The gate answers no sooner.
    if (refused instanceof HashQueueFullError) await new Promise((resolve) => setTimeout(resolve, 200));
  }
};
const until = performance.now() + SECONDS * 1000;
const before = cpuUsage();
await Promise.all(Array.from({ length: 200 }, (_, n) => guess(`192.0.${n % 4}.1/32`)));
const { user, system } = cpuUsage(before);
console.log(
  `${(runs / SECONDS).toFixed(1)} runs a second, ${((user + system) / (SECONDS * 10_000)).toFixed(0)} % of a core`,
);
