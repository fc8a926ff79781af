// `postern user disable|enable`: whether a user's app passwords are good for anything, all at once and reversibly.

import { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { note } from './audit.ts';
import { type ConfigOption, withConfigOption } from './config-option.ts';
import { openRecords } from './open-records.ts';
import { countOfPasswords } from './output.ts';
import type { Terminal } from './terminal.ts';
import { readUser } from './user-argument.ts';

export function userCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  const disable = new Command('disable')
    .description('refuse all logins of a user and end the sessions; app passwords are kept')
    .argument('<user>', 'name@domain, or a name in the default domain')
    .action((user: string, options: ConfigOption) => setDisabled(user, true, options, terminal, env));
  const enable = new Command('enable')
    .description("undo it: the user's app passwords work again")
    .argument('<user>', 'name@domain, or a name in the default domain')
    .action((user: string, options: ConfigOption) => setDisabled(user, false, options, terminal, env));
  const command = new Command('user').description('disable and enable users');
  for (const subcommand of [disable, enable]) command.addCommand(withConfigOption(subcommand));
  return command;
}

async function setDisabled(
  text: string,
  disabled: boolean,
  options: ConfigOption,
  terminal: Terminal,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  await using records = await openRecords(options, env);
  const user = readUser(text, records.config.users.defaultDomain);
  const before = await records.store.select(user, []);
  const live = (await records.store.list({ user })).length;
  if (before.userDisabled === disabled) {
    terminal.stdout(`${user} was ${disabled ? 'disabled' : 'not disabled'} already; nothing changed\n`);
    return;
  }
  await records.store.setUserDisabled(user, disabled ? systemClock.now() : null);
  await note(records, { user, action: disabled ? 'disabled' : 'enabled' }, terminal);
  terminal.stdout(
    disabled
      ? `disabled ${user}: logins are refused and live sessions end; ${countOfPasswords(live)} kept\n`
      : `enabled ${user}: ${countOfPasswords(live)} can be used again\n`,
  );
}
