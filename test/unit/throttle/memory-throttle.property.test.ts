import { test } from 'vitest';
import { createMemoryThrottle } from '../../../src/throttle/memory-throttle.ts';
import { compareWithModel } from './model.ts';

test('it blocks whom, when and for how long the model does', () =>
  compareWithModel(async ({ settings, clock }) => createMemoryThrottle({ settings, clock }), 500));
