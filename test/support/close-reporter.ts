// vitest's last word in this project: `N passed, N failed`, alone on a line. A test that was skipped counts as failed,
// since a suite that skips in silence proves nothing; so does an error outside of any test.

import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { recordOutput } from './run-directory.ts';

export class CloseReporter implements Reporter {
  #filtered = false;

  onInit(vitest: Vitest): void {
    recordOutput();
    // With -t the user asked for the rest to be left out.
    this.#filtered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandled.length;
    const notRun: string[] = [];
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        if (state === 'failed') failed += 1;
        if (state !== 'passed' && state !== 'failed' && !this.#filtered) notRun.push(test.fullName);
      }
    }
    // Behind a failure (of a beforeAll, say) it is only a consequence, and the names would bury the cause.
    if (notRun.length > 0) console.log(`not run, which counts as failed: ${notRun.length}`);
    if (failed === 0) for (const name of notRun) console.log(`  ${name}`);
    failed += notRun.length;
    if (failed > 0 || passed === 0) process.exitCode = 1;
    console.log(`${passed} passed, ${failed} failed`);
  }
}
