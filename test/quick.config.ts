// `npm run test:quick`: unit and protocol tests, for the inner loop. A worker runs one file after another without starting anew, and
// there are more workers than processors, as many tests wait for a deadline. (`npm test` gives each file a process of its own.)

import { defineConfig } from 'vitest/config';
import whole from '../vitest.config.ts';
import { CloseReporter } from './support/close-reporter.ts';

const { projects: _, ...test } = whole.test ?? {};

export default defineConfig({
  test: {
    ...test,
    root: `${import.meta.dirname}/..`,
    reporters: ['default', new CloseReporter()],
    include: ['test/unit/**/*.test.ts', 'test/protocol/**/*.test.ts'],
    exclude: [
      // They need a process to themselves: one replaces a module, one counts what the process holds.
      'test/unit/lib/ownership.test.ts',
      'test/protocol/smtp-leaks.test.ts',
      // Floods of hundreds of megabytes.
      'test/protocol/*memory*.test.ts',
      'test/unit/**/*-floods.test.ts',
    ],
    isolate: false,
    maxWorkers: 5,
  },
});
