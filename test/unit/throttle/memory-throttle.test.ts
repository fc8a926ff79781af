import { createMemoryThrottle } from '../../../src/throttle/memory-throttle.ts';
import { throttleBehaviour } from './behaviour.ts';

throttleBehaviour(async ({ settings, clock, most }) =>
  createMemoryThrottle({ settings, clock, ...(most === undefined ? {} : { most }) }),
);
