// `postern audit list`: who did what for whom, from where. And the records that the other commands leave.

import { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { UsageError } from '../lib/errors.ts';
import { type AuditAction, type AuditRecord, auditRecord } from '../store/portal-store.ts';
import { type ConfigOption, withConfigOption } from './config-option.ts';
import { openRecords, type Records } from './open-records.ts';
import { isoTime, json, quoted, shortTime, table } from './output.ts';
import type { Terminal } from './terminal.ts';
import { readUser } from './user-argument.ts';

interface ListOptions extends ConfigOption {
  user?: string;
  last: string;
  json?: boolean;
}

const MOST = 100_000;

export function auditCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  const list = new Command('list')
    .description('list what was done in the portal and by commands, the newest first')
    .option('--user <user>', 'only what this user did, or what was done for them')
    .option('--last <n>', 'how many', '100')
    .option(
      '--json',
      'print an array of {"id","at","by","user","action","from","passwordId","name","detail"}',
    )
    .action(async (options: ListOptions) => {
      const most = Number(options.last);
      if (!Number.isInteger(most) || most < 1 || most > MOST) {
        throw new UsageError(`--last ${quoted(options.last)}: it would be a number from 1 to ${MOST}`);
      }
      await using records = await openRecords(options, env);
      const { defaultDomain } = records.config.users;
      const which = options.user === undefined ? {} : { user: readUser(options.user, defaultDomain) };
      const found = await records.store.audit({ ...which, most });
      terminal.stdout(options.json ? json(found.map(forPrograms)) : forPeople(found));
    });
  return new Command('audit').description('show audit records').addCommand(withConfigOption(list));
}

/** Notes what a command did. That it cannot be noted is said, and is no failure of the command. */
export async function note(
  records: Pick<Records, 'store'>,
  event: Pick<AuditRecord, 'user'> & { readonly action: AuditAction } & Partial<
      Pick<AuditRecord, 'passwordId' | 'name' | 'detail'>
    >,
  terminal: Terminal,
): Promise<void> {
  try {
    await records.store.addAudit(auditRecord({ ...event, by: 'cli', from: null }, systemClock.now()));
  } catch {
    terminal.stderr('note: the audit record of this could not be written\n');
  }
}

function forPrograms(record: AuditRecord): object {
  return { ...record, at: isoTime(record.at) };
}

function forPeople(records: readonly AuditRecord[]): string {
  if (records.length === 0) return 'no audit records\n';
  return table(
    ['AT (UTC)', 'BY', 'USER', 'ACTION', 'FROM', 'APP PASSWORD', 'NAME', 'DETAIL'],
    records.map(({ at, by, user, action, from, passwordId, name, detail }) => [
      shortTime(at),
      by ?? '-',
      user ?? '-',
      action,
      from ?? '-',
      passwordId ?? '-',
      name ?? '-',
      detail ?? '-',
    ]),
  );
}
