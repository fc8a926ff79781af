// `postern password create|list|revoke`: app passwords, by an admin.

import { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { RefusedError, UsageError } from '../lib/errors.ts';
import { parseNetwork } from '../lib/network.ts';
import { PROTOCOLS, type Protocol } from '../lib/protocol.ts';
import type { PasswordRecord } from '../passwords/record.ts';
import { note } from './audit.ts';
import { type ConfigOption, withConfigOption } from './config-option.ts';
import { parseExpiry } from './expiry.ts';
import { noteIfUnknown } from './known-user.ts';
import { configForRecords, openOrMakeRecords, openRecords } from './open-records.ts';
import { countOfPasswords, isoTime, json, quoted } from './output.ts';
import { passwordListCommand } from './password-list.ts';
import type { Terminal } from './terminal.ts';
import { readUser } from './user-argument.ts';
import { warnOfUse } from './warn-of-use.ts';

interface CreateOptions extends ConfigOption {
  user: string;
  name: string;
  scope?: string;
  network?: string[];
  expires?: string;
  json?: boolean;
}

interface RevokeOptions extends ConfigOption {
  user?: string;
  all?: boolean;
}

export function passwordCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  const create = new Command('create')
    .description('make an app password and print it, once')
    .requiredOption('--user <user>', 'whose it is: name@domain, or a name in the default domain')
    .requiredOption('--name <name>', 'the device it is for, up to 64 characters')
    .option('--scope <protocols>', `what it is good for: any of ${PROTOCOLS.join(',')} (default: all)`)
    .option('--network <cidr>', 'where it may be used from; may be repeated (default: anywhere)', append)
    .option('--expires <90d|date>', 'how long, or until the start (UTC) of which day (default: no expiry)')
    .option('--json', 'print what was made as JSON')
    .action((options: CreateOptions) => createPassword(options, terminal, env));
  const revoke = new Command('revoke')
    .description('end app passwords, and the sessions that use them')
    .argument('[id...]', 'which, as `password list` shows them')
    .option('--user <user>', 'together with --all: all of this user')
    .option('--all', 'together with --user')
    .action((ids: string[], options: RevokeOptions) => revokePasswords(ids, options, terminal, env));
  const command = new Command('password').description('make, list and revoke app passwords');
  return command
    .addCommand(withConfigOption(create))
    .addCommand(passwordListCommand(new Command('list'), terminal, env))
    .addCommand(withConfigOption(revoke));
}

/** The record is on disk before the app password is printed: what was printed works, whatever happens next. */
async function createPassword(options: CreateOptions, terminal: Terminal, env: NodeJS.ProcessEnv) {
  const scope = options.scope === undefined ? null : readScope(options.scope);
  const networks = (options.network ?? []).map(readNetwork);
  const expiresAt = options.expires === undefined ? null : parseExpiry(options.expires, systemClock.now());
  const config = await configForRecords(options, env);
  const user = readUser(options.user, config.users.defaultDomain);
  await using records = await openOrMakeRecords(config, terminal);
  const passwords = await records.passwords();
  const { record, password } = await passwords.create({
    user,
    name: options.name,
    scope,
    networks,
    expiresAt,
  });
  await note(records, { user, action: 'created', passwordId: record.id, name: record.name }, terminal);
  await warnOfUse(record, options, env, terminal);
  if (options.json) {
    const { id, name } = record;
    terminal.stdout(
      json({
        id,
        user,
        name,
        password: password.reveal(),
        scope: record.scope,
        networks: record.networks,
        expiresAt: isoTime(record.expiresAt),
      }),
    );
    return;
  }
  terminal.stdout(`${password.display()}\n`);
  terminal.stderr(`made ${describe(record)}; it is shown this once\n`);
  // Two devices may have one name (the old phone, and the one that replaces it): said, not refused.
  const namesakes =
    (await passwords.list({ user })).filter(({ name }) => sameName(name, record.name)).length - 1;
  if (namesakes > 0) terminal.stderr(`note: ${user} has ${namesakes} more of that name\n`);
}

async function revokePasswords(
  ids: readonly string[],
  options: RevokeOptions,
  terminal: Terminal,
  env: NodeJS.ProcessEnv,
) {
  const byUser = options.user !== undefined && options.all === true && ids.length === 0;
  const byId = options.user === undefined && options.all === undefined && ids.length > 0;
  if (!byUser && !byId) throw new UsageError('name app passwords by their ids, or give --user and --all');
  await using records = await openRecords(options, env);
  const now = systemClock.now();
  if (byUser) {
    const user = readUser(options.user!, records.config.users.defaultDomain);
    const revoked = await records.store.revoke({ user }, now);
    if (revoked.length > 0) {
      const detail = countOfPasswords(revoked.length);
      await note(records, { user, action: 'deleted_all', detail }, terminal);
    } else await noteIfUnknown(records, user, terminal);
    terminal.stdout(`revoked ${countOfPasswords(revoked.length)} of ${user}\n`);
    return;
  }
  // Those that exist are revoked, whatever else was typed: someone may have lost a device.
  const revoked = new Set(await records.store.revoke({ ids }, now));
  const known = new Map(
    (await records.store.list({ tombstones: true })).map((record) => [record.id, record]),
  );
  const unknown: string[] = [];
  for (const id of new Set(ids)) {
    const record = known.get(id);
    if (record === undefined) unknown.push(quoted(id));
    else if (revoked.has(id)) {
      const { user, name } = record;
      await note(records, { user, action: 'deleted', passwordId: id, name }, terminal);
      terminal.stdout(`revoked ${describe(record)}\n`);
    } else terminal.stdout(`already revoked: ${describe(record)}\n`);
  }
  if (unknown.length > 0) throw new RefusedError(`no such app password: ${unknown.join(', ')}`);
}

function describe(record: PasswordRecord): string {
  return `${record.id} (${record.user}, “${record.name}”)`;
}

function append(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

function readScope(text: string): Protocol[] {
  const names = text.split(',').map((name) => name.trim().toLowerCase());
  const unknown = names.filter((name) => !(PROTOCOLS as readonly string[]).includes(name));
  if (unknown.length > 0) {
    const shown = unknown.map(quoted).join(', ');
    throw new UsageError(`--scope: no such protocol: ${shown}; it would be any of ${PROTOCOLS.join(',')}`);
  }
  return names as Protocol[];
}

function readNetwork(text: string): string {
  const network = parseNetwork(text);
  if (network === undefined) {
    throw new UsageError(
      `--network ${quoted(text)}: it would be a network such as 192.0.2.0/24 or 2001:db8::/32`,
    );
  }
  return network;
}

/** `Phone` and `phone` would be the same device to its owner. */
function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
