// Two groups of tests: everything, and then (in a group of its own, so that it runs last) the search of all that the
// run has logged for secrets. Each run has its own directory under .test/, see test/support/run-directory.ts.

import { defineConfig } from 'vitest/config';
import { CloseReporter } from './test/support/close-reporter.ts';
import { PATIENCE } from './test/support/patience.ts';

const LAST = 'test/last/**/*.test.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    // Most of what runs here is other processes, on machines that may be busy. No verdict hangs on time: these only end what hangs,
    // and give what waits within a test (PATIENCE in test/support/patience.ts) the time to say what it waited for.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 10_000,
    expect: { poll: { timeout: PATIENCE } },
    allowOnly: false,
    passWithNoTests: false,
    globalSetup: 'test/support/run-directory.ts',
    reporters: ['default', new CloseReporter()],
    projects: [
      {
        extends: true,
        test: { name: 'tests', include: ['test/**/*.test.ts'], exclude: [LAST, 'test/bench/**'] },
      },
      { extends: true, test: { name: 'last', include: [LAST], sequence: { groupOrder: 1 } } },
    ],
  },
});
