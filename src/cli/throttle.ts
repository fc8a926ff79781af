// `postern throttle list|clear`: the blocks that the running process imposes or, with Redis, all processes do.

import { Command } from 'commander';
import { askControl } from '../admin/control.ts';
import { loadConfig } from '../config/config.ts';
import { UsageError } from '../lib/errors.ts';
import { networkMatcher, parseNetwork } from '../lib/network.ts';
import type { BlockEntry } from '../throttle/throttle.ts';
import { type ConfigOption, configFile, withConfigOption } from './config-option.ts';
import { isoTime, json, quoted, shortTime, table } from './output.ts';
import type { Terminal } from './terminal.ts';
import { readUser } from './user-argument.ts';

type Options = ConfigOption & { json?: boolean; network?: string; user?: string };

const KINDS = `
Kinds of block:
  network           too many distinct wrong app passwords from there
  network_and_user  too many from there for one user
  attempts          too many attempts of any kind from there
None of them stops a right app password.
`;

export function throttleCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  const command = new Command('throttle').description('show and end blocks of clients that guessed');

  withConfigOption(command.command('list'))
    .description('show the blocks in force')
    .option('--network <cidr>', 'only those of clients in this network')
    .option('--user <user>', 'only those that are for this user')
    .option('--json', 'print an array of {"kind","network","user","until"}')
    .addHelpText('after', KINDS)
    .action(async (options: Options) => {
      const config = await loadConfig(configFile(options, env), env, { only: ['control', 'users'] });
      const { network, user } = which(options, config.users.defaultDomain);
      const isInNetwork = network === undefined ? () => true : networkMatcher(network);
      const answer = await askControl(config.control.socket, 'GET', '/throttle');
      const { sharing, blocks } = answer as { sharing: string; blocks: BlockEntry[] };
      warnIfDegraded(sharing, terminal, 'shown');
      const chosen = blocks
        .filter((block) => isInNetwork(block.network) && (user === undefined || block.user === user))
        .sort((a, b) => a.until - b.until);
      terminal.stdout(options.json ? json(chosen.map(forPrograms)) : forPeople(chosen));
    });

  withConfigOption(command.command('clear'))
    .description('end blocks and forget what was counted: of a network, a user, both, or all')
    .option('--network <cidr>', 'of clients in this network')
    .option('--user <user>', 'those that are for this user')
    .option('--json', 'print {"ended"}')
    .addHelpText('after', KINDS)
    .action(async (options: Options) => {
      const config = await loadConfig(configFile(options, env), env, { only: ['control', 'users'] });
      const what = which(options, config.users.defaultDomain);
      const answer = await askControl(config.control.socket, 'POST', '/throttle/clear', what);
      const { sharing, ended } = answer as { sharing: string; ended: number };
      warnIfDegraded(sharing, terminal, 'cleared');
      const said =
        ended === 0 ? 'no such block was in force' : `ended ${ended} block${ended === 1 ? '' : 's'}`;
      terminal.stdout(options.json ? json({ ended }) : `${said}\n`);
    });

  return command;
}

function which({ network, user }: Options, defaultDomain: string | null) {
  const cidr = network === undefined ? undefined : parseNetwork(network);
  if (network !== undefined && cidr === undefined) {
    throw new UsageError(
      `${quoted(network)} is not a network: it would be an address, or CIDR such as 192.0.2.0/24`,
    );
  }
  return {
    ...(cidr !== undefined && { network: cidr }),
    ...(user !== undefined && { user: readUser(user, defaultDomain) }),
  };
}

function warnIfDegraded(sharing: string, terminal: Terminal, done: string): void {
  if (sharing !== 'degraded') return;
  terminal.stderr(`postern: Redis cannot be used now: ${done} is what this process counts by itself\n`);
}

function forPrograms(block: BlockEntry): object {
  return { ...block, until: isoTime(block.until) };
}

function forPeople(blocks: readonly BlockEntry[]): string {
  if (blocks.length === 0) return 'no blocks\n';
  return table(
    ['KIND', 'NETWORK', 'USER', 'UNTIL (UTC)'],
    blocks.map(({ kind, network, user, until }) => [kind, network, user ?? '-', shortTime(until)]),
  );
}
