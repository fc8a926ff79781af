// `postern user list|disable|enable`: who there is, and whether their app passwords are good for anything, all at once and reversibly.

import { Command, Option } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { note } from './audit.ts';
import { type ConfigOption, withConfigOption } from './config-option.ts';
import { noteIfUnknown } from './known-user.ts';
import { openRecords } from './open-records.ts';
import { countOfPasswords, json, table } from './output.ts';
import type { Terminal } from './terminal.ts';
import { readUser, readUsers } from './user-argument.ts';

interface ListOptions extends ConfigOption {
  user?: string;
  state?: 'enabled' | 'disabled';
  json?: boolean;
}

/** As many as the store has. */
const ALL = Number.MAX_SAFE_INTEGER;

export function userCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  const list = new Command('list')
    .description('list users: those who have or had app passwords, or were disabled')
    .option('--user <user>', 'only this user, or *@domain')
    .addOption(new Option('--state <state>', 'only those in this state').choices(['enabled', 'disabled']))
    .option(
      '--json',
      'print an array of {"user","disabled","passwords"}, the last one how many that are not revoked',
    )
    .action((options: ListOptions) => listUsers(options, terminal, env));
  const disable = new Command('disable')
    .description('refuse all logins of a user and end the sessions; app passwords are kept')
    .argument('<user>', 'name@domain, or a name in the default domain')
    .action((user: string, options: ConfigOption) => setDisabled(user, true, options, terminal, env));
  const enable = new Command('enable')
    .description("undo it: the user's app passwords work again")
    .argument('<user>', 'name@domain, or a name in the default domain')
    .action((user: string, options: ConfigOption) => setDisabled(user, false, options, terminal, env));
  const command = new Command('user').description('list, disable and enable users');
  for (const subcommand of [list, disable, enable]) command.addCommand(withConfigOption(subcommand));
  return command;
}

async function listUsers(options: ListOptions, terminal: Terminal, env: NodeJS.ProcessEnv): Promise<void> {
  await using records = await openRecords(options, env);
  const users =
    options.user === undefined ? undefined : readUsers(options.user, records.config.users.defaultDomain);
  const text = users === undefined ? '' : (users.user ?? `@${users.domain}`);
  const found = (await records.store.searchUsers(text, ALL)).filter(
    ({ user, isDisabled }) =>
      (users === undefined || users.has(user)) &&
      (options.state === undefined || isDisabled === (options.state === 'disabled')),
  );
  if (options.json) {
    terminal.stdout(
      json(found.map(({ user, isDisabled, passwords }) => ({ user, disabled: isDisabled, passwords }))),
    );
  } else if (found.length === 0) {
    terminal.stdout('no users\n');
  } else {
    const rows = found.map(({ user, isDisabled, passwords }) => [
      user,
      isDisabled ? 'disabled' : 'enabled',
      String(passwords),
    ]);
    terminal.stdout(table(['USER', 'STATE', 'APP PASSWORDS'], rows));
  }
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
  await noteIfUnknown(records, user, terminal);
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
