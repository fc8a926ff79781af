// A terminal that remembers what was printed on it.

import { main } from '../../../src/main.ts';

/** Runs a command line and gives its exit code and what it printed. */
export async function run(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
  let out = '';
  let err = '';
  const terminal = {
    stdout: (text: string) => {
      out += text;
    },
    stderr: (text: string) => {
      err += text;
    },
  };
  const code = await main(argv, terminal, env);
  return { code, out, err };
}
