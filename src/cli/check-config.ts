// `postern check-config`: is this configuration right, and is there anything in it to think about?

import { Command } from 'commander';
import { type Config, loadConfig } from '../config/config.ts';
import { configWarnings } from '../config/warnings.ts';
import { systemClock } from '../lib/clock.ts';
import { ConfigError } from '../lib/errors.ts';
import { checkKeys } from '../passwords/keys-file.ts';
import { openStoreToRead } from '../store/open.ts';
import { StoreUnavailableError } from '../store/store.ts';
import { type ConfigOption, configFile, withConfigOption } from './config-option.ts';
import { asUser, serviceUser } from './service-user.ts';
import type { Terminal } from './terminal.ts';

const EXAMPLES = `
Prints every mistake at once, each as FILE:LINE:COLUMN section.key: what is wrong, what would be right.
The certificates, keys and secrets that the configuration names are looked at too, and the store and its keys file, as a start would;
run by root, with the rights of the user who owns the store's directory. Nothing is made, changed or connected to.

Examples:
  postern check-config --config /etc/postern/postern.yaml
  postern check-config --json

Exit codes: 0 nothing is wrong (there may be warnings), 78 something is.
`;

export function checkConfigCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  return withConfigOption(new Command('check-config'))
    .description('check the configuration, and the files that it names')
    .option('--json', 'print {"ok", "file", "errors", "warnings"}')
    .addHelpText('after', EXAMPLES)
    .action(async (options: ConfigOption & { json?: boolean }) => {
      const file = configFile(options, env);
      const print = options.json ? printJson : printText;
      let user: ReturnType<typeof serviceUser> = null;
      try {
        const { store } = await loadConfig(file, env, { only: ['store'] });
        // With the rights to read the program, and not at the top: it is much that other commands do not need.
        const { readConfigFiles } = await import('../app/config-files.ts');
        user = serviceUser(store.url.replace(/^sqlite:/, ''));
        const config = await asUser(user, async () => {
          const checked = await loadConfig(file, env, { checkFiles: true });
          await allOf([checkRecords(checked), readConfigFiles(checked)]);
          return checked;
        });
        print(terminal, config, configWarnings(config));
      } catch (error) {
        if (options.json && error instanceof ConfigError) {
          terminal.stdout(`${JSON.stringify({ ok: false, file, errors: error.messages, warnings: [] })}\n`);
        }
        if (user !== null)
          terminal.stderr(`looked at with the rights of user ${user.uid}, who owns the store's directory\n`);
        throw error;
      }
    });
}

/** Rejects with one ConfigError for all those that `checks` reject with, and with what else one of them does. */
async function allOf(checks: readonly Promise<unknown>[]): Promise<void> {
  const reasons = (await Promise.allSettled(checks)).flatMap((check) =>
    check.status === 'rejected' ? [check.reason as unknown] : [],
  );
  const messages = reasons.flatMap((reason) => {
    if (reason instanceof ConfigError) return reason.messages;
    throw reason;
  });
  if (messages.length > 0) throw new ConfigError(messages);
}

/** Store and keys, as a start looks at them; nothing is made. */
async function checkRecords({ store: { url }, keys: { file } }: Config): Promise<void> {
  const store = await openStoreToRead(url, { clock: systemClock }).catch((error: unknown) => {
    if (error instanceof StoreUnavailableError) throw new ConfigError(`store.url: ${error.message}`);
    throw error;
  });
  try {
    await checkKeys({ file, store });
  } finally {
    await store?.[Symbol.asyncDispose]();
  }
}

function printJson(terminal: Terminal, config: Config, warnings: readonly string[]): void {
  terminal.stdout(`${JSON.stringify({ ok: true, file: config.file, errors: [], warnings })}\n`);
}

function printText(terminal: Terminal, config: Config, warnings: readonly string[]): void {
  for (const warning of warnings) terminal.stdout(`warning: ${warning}\n`);
  const counts = [
    count(config.listeners.length, 'listener'),
    count(Object.keys(config.upstreams).length, 'upstream'),
    count(config.routes.length, 'route'),
  ];
  terminal.stdout(`ok: ${config.file}: ${counts.join(', ')}\n`);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
