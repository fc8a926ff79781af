// Programs of other people's languages: a script for Debian's own interpreter, which reads what it has to know (passwords included)
// as JSON from stdin. What it printed is logged.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, run } from './child-process.ts';
import { newLogFile } from './run-directory.ts';
import { tempDir } from './temp-dir.ts';

const INTERPRETERS = {
  python3: { program: '/usr/bin/python3', file: 'client.py', args: [] },
  perl: { program: '/usr/bin/perl', file: 'client.pl', args: [] },
  php: { program: '/usr/bin/php', file: 'client.php', args: ['-d', 'display_errors=stderr'] },
  // One file, compiled in memory (JEP 330), with what Debian has of JavaMail. The C1 compiler alone starts in half the time.
  java: {
    program: '/usr/bin/java',
    file: 'Client.java',
    args: [
      '-XX:TieredStopAtLevel=1',
      '-classpath',
      '/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar',
    ],
  },
} as const;

export type Interpreter = keyof typeof INTERPRETERS;

/** `args`: more of the interpreter's own arguments. */
export async function script(
  interpreter: Interpreter,
  text: string,
  facts: object,
  { args = [], env = {} }: { args?: readonly string[]; env?: Readonly<Record<string, string>> } = {},
): Promise<Outcome> {
  using dir = tempDir();
  const { program, file, args: always } = INTERPRETERS[interpreter];
  const path = join(dir.path, file);
  writeFileSync(path, text);
  const outcome = await run(program, [...always, ...args, path], {
    input: JSON.stringify(facts),
    env: { ...process.env, ...env },
    patience: 120_000,
  });
  writeFileSync(newLogFile(interpreter), `${outcome.stdout}${outcome.stderr}`);
  return outcome;
}
