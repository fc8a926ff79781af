// `postern store backup|restore`: the store as one file, and back.

import { resolve } from 'node:path';
import { Command } from 'commander';
import { isListening } from '../admin/control.ts';
import { type Config, loadConfig } from '../config/config.ts';
import { systemClock } from '../lib/clock.ts';
import { ConfigError, RefusedError } from '../lib/errors.ts';
import { checkKeys } from '../passwords/keys-file.ts';
import { backUpStore, openStoreOnce, restoreStore } from '../store/open.ts';
import type { NamedKey } from '../store/store.ts';
import { note } from './audit.ts';
import { type ConfigOption, configFile, withConfigOption } from './config-option.ts';
import { countOfPasswords, json } from './output.ts';
import type { Terminal } from './terminal.ts';

type Options = ConfigOption & { json?: boolean };

const SECTIONS = ['store', 'keys', 'control'] as const;

const BACKUP = `
Postern may run meanwhile. The copy is whole and was looked through; it has mode 0600 and the owner of the store's directory. A file
that is there already stays as it is.
The keys file (keys.file) is not in it: without that file no app password of the copy works. Keep both, apart from each other.

Example:
  postern store backup /var/backups/postern-$(date +%F).db

Exit codes: 0 done, 1 the file is there already or cannot be made, 69 the store cannot be read.
`;

const RESTORE = `
Postern has to be stopped. What was in the store is kept beside it, under a name that is printed. App passwords that were revoked
after the backup are good again: revoke them once more.

Example:
  systemctl stop postern
  postern store restore /var/backups/postern-2026-12-01.db
  systemctl start postern

Exit codes: 0 done, 1 the file is no sound store, or the store is in use; then nothing has changed.
`;

export function storeCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  const command = new Command('store').description('copy the store to a file, and back');

  withConfigOption(command.command('backup'))
    .description('copy the store to a new file, while Postern runs or not')
    .argument('<file>', 'the new file')
    .option('--json', 'print {"file","appPasswords"}')
    .addHelpText('after', BACKUP)
    .action(async (file: string, options: Options) => {
      const config = await loadConfig(configFile(options, env), env, { only: SECTIONS });
      const target = resolve(file);
      const { appPasswords } = await backUpStore(config.store.url, target);
      if (options.json) terminal.stdout(json({ file: target, appPasswords }));
      else terminal.stdout(`${countOfPasswords(appPasswords)} backed up to ${target}\n`);
      terminal.stderr(
        `note: the keys file ${config.keys.file} is not in it; none of them works without it\n`,
      );
    });

  withConfigOption(command.command('restore'))
    .description('put a backup in the place of the store, while Postern does not run')
    .argument('<file>', 'what `store backup` has made')
    .option('--json', 'print {"file","appPasswords","before"}')
    .addHelpText('after', RESTORE)
    .action(async (file: string, options: Options) => {
      const config = await loadConfig(configFile(options, env), env, { only: SECTIONS });
      if (await isListening(config.control.socket)) {
        throw new RefusedError(
          `a Postern is running (it answers on ${config.control.socket}); stop it first`,
        );
      }
      const source = resolve(file);
      const { appPasswords, keys, before } = await restoreStore(
        config.store.url,
        source,
        new Date(systemClock.now()),
      );
      if (options.json) terminal.stdout(json({ file: source, appPasswords, before }));
      else {
        const kept = before === null ? '' : `; what was there is in ${before}`;
        terminal.stdout(`${countOfPasswords(appPasswords)} restored from ${source}${kept}\n`);
      }
      await warnOfKeys(config, keys, terminal);
      await using store = await openStoreOnce(config.store.url, { clock: systemClock, mode: 'existing' });
      await note({ store }, { user: null, action: 'restored', detail: source }, terminal);
    });

  return command;
}

/** Postern would not start; it is no failure of the restoration, since the keys file may be next. */
async function warnOfKeys(config: Pick<Config, 'keys'>, keys: readonly NamedKey[], terminal: Terminal) {
  if (keys.length === 0) return;
  try {
    await checkKeys({ file: config.keys.file, store: { namedKeys: async () => [...keys] } });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const message of error.messages) terminal.stderr(`note: before Postern starts: ${message}\n`);
  }
}
