// `postern password list`: what there is, who may use it where, and what it was last used by.

import type { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import type { PasswordRecord } from '../passwords/record.ts';
import { type ConfigOption, withConfigOption } from './config-option.ts';
import { noteIfUnknown } from './known-user.ts';
import { openRecords } from './open-records.ts';
import { isoTime, json, shortTime, table } from './output.ts';
import { FILTERS, type FilterOptions, filterOf, type Listed, stateOf } from './password-filters.ts';
import type { Terminal } from './terminal.ts';
import { readUsers } from './user-argument.ts';

interface ListOptions extends ConfigOption, FilterOptions {
  user?: string;
  json?: boolean;
}

const EXAMPLES = `
With --unused-for, --never-used or --expires-within, revoked and expired ones are left out unless --state asks for them.

Examples:
  postern password list --user '*@example.com' --state active
  postern password list --unused-for 180d --json | jq -r '.[].id'
  postern password list --expires-within 14d
`;

export function passwordListCommand(list: Command, terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  list
    .description('list app passwords, revoked ones too as long as they are kept')
    .option('--user <user>', 'only those of this user, or *@domain');
  for (const filter of FILTERS) list.addOption(filter);
  return withConfigOption(list)
    .option(
      '--json',
      'print an array of {"id","user","name","scope","networks","createdAt","expiresAt","lastUsed","revokedAt","userDisabled"}',
    )
    .addHelpText('after', EXAMPLES)
    .action((options: ListOptions) => listPasswords(options, terminal, env));
}

async function listPasswords(options: ListOptions, terminal: Terminal, env: NodeJS.ProcessEnv) {
  const now = systemClock.now();
  const isWanted = filterOf(options, now);
  await using records = await openRecords(options, env);
  const users =
    options.user === undefined ? undefined : readUsers(options.user, records.config.users.defaultDomain);
  const which = users?.user === undefined ? {} : { user: users.user };
  const all = await records.store.list({ ...which, tombstones: true });
  if (users?.user !== undefined) await noteIfUnknown(records, users.user, terminal);
  const ofUsers = all.filter(({ user }) => users === undefined || users.has(user));
  const standings = await records.store.standings(ofUsers.map(({ id }) => id));
  const list = ofUsers
    .map((record) => ({ record, userDisabled: standings.get(record.id)?.userDisabled ?? false }))
    .filter(isWanted);
  terminal.stdout(options.json ? json(list.map(forPrograms)) : forPeople(list, now));
}

function forPrograms({ record, userDisabled }: Listed) {
  const { id, user, name, scope, networks, lastUsed } = record;
  return {
    id,
    user,
    name,
    scope,
    networks,
    createdAt: isoTime(record.createdAt),
    expiresAt: isoTime(record.expiresAt),
    lastUsed: lastUsed === null ? null : { ...lastUsed, at: isoTime(lastUsed.at) },
    revokedAt: isoTime(record.revokedAt),
    userDisabled,
  };
}

function forPeople(list: readonly Listed[], now: number): string {
  if (list.length === 0) return 'no app passwords\n';
  return table(
    ['ID', 'USER', 'NAME', 'STATE', 'SCOPE', 'NETWORKS', 'CREATED (UTC)', 'EXPIRES', 'LAST USED', 'BY'],
    list.map(({ record, userDisabled }) => [
      record.id,
      record.user,
      record.name,
      stateInWords({ record, userDisabled }, now),
      record.scope?.join(',') ?? 'all',
      record.networks.join(',') || 'any',
      shortTime(record.createdAt),
      shortTime(record.expiresAt),
      shortTime(record.lastUsed?.at ?? null),
      useInWords(record),
    ]),
  );
}

function stateInWords(listed: Listed, now: number): string {
  const state = stateOf(listed, now);
  if (state === 'revoked') return `revoked ${shortTime(listed.record.revokedAt)}`;
  return state === 'disabled' ? 'user disabled' : state;
}

function useInWords({ lastUsed }: PasswordRecord): string {
  if (lastUsed === null) return '-';
  const client = lastUsed.client === null ? '' : ` with ${lastUsed.client}`;
  return `${lastUsed.protocol} from ${lastUsed.from}${client}`;
}
