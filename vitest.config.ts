// Two groups of tests: everything, and then (in a group of its own, so that it runs last) the search of all that the
// run has logged for secrets. Each run has its own directory under .test/, see test/support/run-directory.ts.

import { defineConfig } from 'vitest/config';
import { CloseReporter } from './test/support/close-reporter.ts';

const LAST = 'test/last/**/*.test.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    // Most of what runs here is other processes, on machines that may be busy: a test that fails gets one more try, and the
    // reporter names those that needed it.
    retry: 1,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    allowOnly: false,
    passWithNoTests: false,
    globalSetup: 'test/support/run-directory.ts',
    reporters: ['default', new CloseReporter()],
    projects: [
      {
        extends: true,
        test: { name: 'tests', include: ['test/**/*.test.ts'], exclude: [LAST, 'test/bench/**'] },
      },
      { extends: true, test: { name: 'last', include: [LAST], sequence: { groupOrder: 1 }, retry: 0 } },
    ],
  },
});
