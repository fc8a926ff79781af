// Arguments → command → exit code. The only place that knows exit codes (they follow sysexits(3)).

import { Command, CommanderError } from 'commander';
import { auditCommand } from './cli/audit.ts';
import { checkConfigCommand } from './cli/check-config.ts';
import { healthcheckCommand } from './cli/healthcheck.ts';
import { helpCommand } from './cli/help.ts';
import { passwordCommand } from './cli/password.ts';
import { printConfigCommand } from './cli/print-config.ts';
import { serveCommand } from './cli/serve.ts';
import { sessionsCommand } from './cli/sessions.ts';
import { storeCommand } from './cli/store.ts';
import type { Terminal } from './cli/terminal.ts';
import { throttleCommand } from './cli/throttle.ts';
import { isUnavailable } from './cli/unavailable.ts';
import { userCommand } from './cli/user.ts';
import { version } from './cli/version.ts';
import { ConfigError, RefusedError, UsageError } from './lib/errors.ts';
import { isJournal, PRIORITY, withPriority } from './lib/journal.ts';

export { processTerminal } from './cli/terminal.ts';

/** In the order in which `postern --help` lists them. A new command is one line here. */
const COMMANDS: readonly ((terminal: Terminal, env: NodeJS.ProcessEnv) => Command)[] = [
  serveCommand,
  passwordCommand,
  userCommand,
  sessionsCommand,
  throttleCommand,
  auditCommand,
  storeCommand,
  checkConfigCommand,
  printConfigCommand,
  healthcheckCommand,
];

const EXIT = { ok: 0, refused: 1, usage: 64, unavailable: 69, internal: 70, config: 78 } as const;

const EXAMPLES = `
Examples:
  postern check-config --config /etc/postern/postern.yaml
  postern serve --config /etc/postern/postern.yaml
  postern help check-config

Exit codes: 0 done, 1 the answer is no, 64 usage, 69 unavailable for now, 70 internal error, 78 configuration.
`;

/**
 * Runs one command line (without the program's own name) and gives its exit code. Never rejects: what a command throws is
 * printed on standard error.
 */
export function main(argv: readonly string[], terminal: Terminal, env: NodeJS.ProcessEnv): Promise<number> {
  return runCommands(COMMANDS, argv, terminal, env);
}

/** `main` with other commands, for tests. */
export async function runCommands(
  commands: typeof COMMANDS,
  argv: readonly string[],
  terminal: Terminal,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  try {
    await programOf(terminal, env, commands).parseAsync([...argv], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    report(error, (text) => terminal.stderr(asError(text, env)));
    return exitCodeOf(error);
  }
}

/** The tree of commands. */
export function programOf(terminal: Terminal, env: NodeJS.ProcessEnv, commands = COMMANDS): Command {
  const program = new Command('postern')
    .description('A side door for mail clients that cannot do two-step verification.')
    .version(version())
    .addHelpText('after', EXAMPLES);
  for (const command of commands) program.addCommand(command(terminal, env));
  // In place of Commander's own, which reads one word and shows the help of `password` for `help password create`.
  program.helpCommand(false).addCommand(helpCommand(program));
  settle(program, terminal);
  return program;
}

/** Commander prints through the terminal and throws instead of exiting, in every subcommand too. */
function settle(command: Command, terminal: Terminal): void {
  command
    .exitOverride()
    .showHelpAfterError('(add --help for what can be written)')
    .configureOutput({ writeOut: terminal.stdout, writeErr: terminal.stderr });
  for (const subcommand of command.commands) settle(subcommand, terminal);
}

/** The exit code that an error of a command stands for. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof RefusedError) return EXIT.refused;
  if (error instanceof UsageError) return EXIT.usage;
  if (isUnavailable(error)) return EXIT.unavailable;
  if (error instanceof ConfigError) return EXIT.config;
  return EXIT.internal;
}

/** Of a service that does not start: `journalctl -p err` finds it. */
function asError(text: string, env: NodeJS.ProcessEnv): string {
  return isJournal(2, env.JOURNAL_STREAM) ? withPriority(PRIORITY.error, text) : text;
}

function report(error: unknown, print: (text: string) => void): void {
  // Commander has printed its own.
  if (error instanceof CommanderError) return;
  if (error instanceof ConfigError) {
    for (const message of error.messages) print(`${message}\n`);
  } else if (error instanceof Error && exitCodeOf(error) !== EXIT.internal) {
    print(`postern: ${error.message}\n`);
  } else {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    print(`postern: internal error, please report it: ${detail}\n`);
  }
}
