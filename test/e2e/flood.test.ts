// A small flood, a few seconds long, of the kind that `npm run load` measures: more silent connections than there are places
// before login, some that trickle, some that guess. Times are not looked at: the machine may be busy with other tests.

import { expect, test } from 'vitest';
import { flood } from '../load/flood-run.ts';

test('in a flood everybody who has an app password logs in, and no session is lost', async () => {
  const {
    quiet,
    flood: during,
    rejected,
  } = await flood(
    {
      quiet: 2,
      seconds: 8,
      silent: 600,
      trickle: 40,
      guess: 30,
      networks: 60,
      sessions: 3,
      ramp: 1,
      reopen: 1,
      limits: '{ beforeLogin: 150 }',
    },
    () => {},
  );
  expect(during.failures).toEqual([]);
  expect(during.logins.count).toBeGreaterThan(1);
  expect(during.sessionsLost).toBe(0);
  expect(during.noops.count).toBeGreaterThan(10);
  // 600 have wanted 150 places, and lost them to each other.
  expect(rejected.beforeLogin).toBeGreaterThan(450);
  // Who has given way counts until the turn of the event loop ends in which another was accepted: four of each port (acceptors.ts).
  expect(during.connections).toBeLessThanOrEqual(150 + 3 + 1 + 2 * 4);
  expect(during.crowds.guess).toMatchObject({ admitted: 0 });
  expect(during.crowds.guess!.refused).toBeGreaterThan(0);
  expect(during.memory.most - quiet.memory.most).toBeLessThan(200);
});
