// `postern audit list`: who did what for whom, from where. And the records that the other commands leave.

import { Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { UsageError } from '../lib/errors.ts';
import { AUDIT_ACTIONS, type AuditAction, type AuditRecord, auditRecord } from '../store/portal-store.ts';
import { type ConfigOption, withConfigOption } from './config-option.ts';
import { parseSince } from './moment.ts';
import { openRecords, type Records } from './open-records.ts';
import { isoTime, json, quoted, shortTime, table } from './output.ts';
import type { Terminal } from './terminal.ts';
import { readUsers } from './user-argument.ts';

interface ListOptions extends ConfigOption {
  user?: string;
  since?: string;
  action?: AuditAction[];
  last?: string;
  json?: boolean;
}

const MOST = 100_000;
const USUAL = 100;

const EXAMPLES = `
Examples:
  postern audit list --since 7d --action deleted --action deleted_all
  postern audit list --user alice@example.com --json
`;

export function auditCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  const list = new Command('list')
    .description('list what was done in the portal and by commands, the newest first')
    .option('--user <user>', 'only what this user did, or what was done for them; or *@domain')
    .option('--since <7d|date>', 'only what was done since')
    .addOption(
      new Option('--action <action>', 'only this; may be repeated')
        .choices(AUDIT_ACTIONS)
        .argParser(appendAction),
    )
    .option('--last <n>', `how many (default: ${USUAL}, with --since all)`)
    .option(
      '--json',
      'print an array of {"id","at","by","user","action","from","passwordId","name","detail"}',
    )
    .action(async (options: ListOptions) => {
      const since = options.since === undefined ? undefined : parseSince(options.since, systemClock.now());
      const most = readLast(options.last) ?? (since === undefined ? USUAL : MOST);
      await using records = await openRecords(options, env);
      const { defaultDomain } = records.config.users;
      const { user, domain } = options.user === undefined ? {} : readUsers(options.user, defaultDomain);
      const found = await records.store.audit({
        ...(user !== undefined && { user }),
        ...(domain !== undefined && { domain }),
        ...(since !== undefined && { since }),
        ...(options.action !== undefined && { actions: options.action }),
        most,
      });
      terminal.stdout(options.json ? json(found.map(forPrograms)) : forPeople(found));
    })
    .addHelpText('after', EXAMPLES);
  return new Command('audit').description('show audit records').addCommand(withConfigOption(list));
}

function readLast(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const most = Number(text);
  if (Number.isInteger(most) && most >= 1 && most <= MOST) return most;
  throw new UsageError(`--last ${quoted(text)}: it would be a number from 1 to ${MOST}`);
}

/** Commander's `choices` is lost with a parser of one's own. */
function appendAction(text: string, earlier: AuditAction[] = []): AuditAction[] {
  const action = AUDIT_ACTIONS.find((one) => one === text);
  if (action !== undefined) return [...earlier, action];
  throw new InvalidArgumentError(`Allowed choices are ${AUDIT_ACTIONS.join(', ')}.`);
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
