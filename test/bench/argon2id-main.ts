// The yardstick of the gate: so many argon2id verifications, two at a time as Postern runs them, and nothing else.

import { AppPassword } from '../../src/passwords/app-password.ts';
import { verifyAppPassword } from '../../src/passwords/hash.ts';

process.on(
  'message',
  async ({ hash, password, count }: { hash: string; password: string; count: number }) => {
    const secret = new AppPassword(password);
    const startedAt = performance.now();
    const lane = async () => {
      for (let i = 0; i < count / 2; i++) {
        if (!(await verifyAppPassword(hash, secret))) throw new Error('the yardstick does not match');
      }
    };
    await Promise.all([lane(), lane()]);
    process.send?.({ wall: performance.now() - startedAt });
  },
);
process.once('disconnect', () => process.exit());
