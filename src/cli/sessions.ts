// `postern sessions list|end`: the live sessions of the running process.

import { Command } from 'commander';
import { askControl } from '../admin/control.ts';
import { loadConfig } from '../config/config.ts';
import { RefusedError, UsageError } from '../lib/errors.ts';
import type { SessionEntry } from '../sessions/live-sessions.ts';
import { type ConfigOption, configFile, withConfigOption } from './config-option.ts';
import { isoTime, json, shortTime, table } from './output.ts';
import type { Terminal } from './terminal.ts';
import { readUser, readUsers } from './user-argument.ts';

type Options = ConfigOption & { json?: boolean; user?: string };

export function sessionsCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  const command = new Command('sessions').description('show and end live sessions of the running process');

  withConfigOption(command.command('list'))
    .description('show live sessions')
    .option('--user <user>', 'only those of this user, or *@domain')
    .option(
      '--json',
      'print an array of {"id","user","protocol","passwordId","upstream","client","device","software","tls","since","state"}',
    )
    .action(async (options: Options) => {
      const config = await loadConfig(configFile(options, env), env, { only: ['control', 'users'] });
      const users =
        options.user === undefined ? undefined : readUsers(options.user, config.users.defaultDomain);
      const all = (await askControl(config.control.socket, 'GET', '/sessions')) as SessionEntry[];
      const sessions = all.filter(({ user }) => users === undefined || users.has(user));
      terminal.stdout(options.json ? json(sessions.map(forPrograms)) : forPeople(sessions));
    });

  withConfigOption(command.command('end'))
    .description('end a session, or all of a user; the app password stays good')
    .argument('[id]', 'the session, as `sessions list` names it')
    .option('--user <user>', 'all sessions of this user')
    .option('--json', 'print {"ended"}')
    .action(async (id: string | undefined, options: Options) => {
      if ((id === undefined) === (options.user === undefined)) {
        throw new UsageError('say which: an id, or --user USER');
      }
      const config = await loadConfig(configFile(options, env), env, { only: ['control', 'users'] });
      const which =
        options.user === undefined ? { id } : { user: readUser(options.user, config.users.defaultDomain) };
      const answer = await askControl(config.control.socket, 'POST', '/sessions/end', which);
      const { ended } = answer as { ended: number };
      if (options.json) terminal.stdout(json({ ended }));
      if (ended === 0)
        throw new RefusedError(id === undefined ? 'the user has no live session' : 'no such session');
      if (!options.json) terminal.stdout(`ended ${ended} session${ended === 1 ? '' : 's'}\n`);
    });

  return command;
}

function forPrograms(session: SessionEntry): object {
  return { ...session, since: isoTime(session.since) };
}

function forPeople(sessions: readonly SessionEntry[]): string {
  if (sessions.length === 0) return 'no live sessions\n';
  return table(
    ['ID', 'USER', 'DEVICE', 'PROTOCOL', 'CLIENT', 'SOFTWARE', 'TLS', 'UPSTREAM', 'SINCE (UTC)', 'STATE'],
    sessions.map(({ id, user, device, protocol, client, software, tls, upstream, since, state }) => [
      id,
      user,
      device,
      protocol,
      client.address,
      software ?? '-',
      tls ?? 'none',
      upstream,
      shortTime(since),
      state,
    ]),
  );
}
