// `postern healthcheck`: for containers without a shell or curl. Asks the running process whether it should get traffic.

import { Command } from 'commander';
import { askControl } from '../admin/control.ts';
import { loadConfig } from '../config/config.ts';
import { UnavailableError } from '../lib/errors.ts';
import { type ConfigOption, configFile, withConfigOption } from './config-option.ts';
import type { Terminal } from './terminal.ts';

const SECTIONS = ['admin', 'control', 'store'] as const;
/** Milliseconds. */
const PATIENCE = 5000;

export function healthcheckCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  return withConfigOption(new Command('healthcheck'))
    .description('ask the running process whether it is ready (for containers)')
    .option('--live', 'ask only whether it is alive')
    .addHelpText(
      'after',
      '\nAsks the admin address, and the control socket if there is none.\n\nExit codes: 0 ready, 69 not ready or not running.\n',
    )
    .action(async (options: ConfigOption & { live?: boolean }) => {
      const { admin, control } = await loadConfig(configFile(options, env), env, { only: SECTIONS });
      const isLive = options.live === true;
      const { ready, status } =
        admin === null
          ? await askSocket(control.socket, isLive)
          : await askAdmin(admin, isLive ? '/livez' : '/readyz');
      if (!ready) throw new UnavailableError(`not ready: ${status}`);
      terminal.stdout(`${status}
`);
    });
}

interface Health {
  readonly ready: boolean;
  readonly status: string;
}

async function askAdmin(
  { host: bound, port }: { host: string; port: number },
  path: string,
): Promise<Health> {
  const host = bound === '0.0.0.0' ? '127.0.0.1' : bound === '::' ? '::1' : bound;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE) }).catch(() => undefined);
  if (response === undefined) throw new UnavailableError(`nothing answers on ${url}`);
  const status = await statusOf(response);
  if (status === undefined) throw new UnavailableError(`what answers on ${url} is not Postern`);
  return { ready: response.ok, status };
}

/** Without an admin address there is always the control socket. */
async function askSocket(socket: string, isLive: boolean): Promise<Health> {
  const answer = (await askControl(socket, 'GET', '/readyz')) as Partial<Health> | null;
  if (typeof answer?.ready !== 'boolean' || typeof answer.status !== 'string') {
    throw new UnavailableError(`what answers on ${socket} is not Postern`);
  }
  return isLive ? { ready: true, status: 'alive' } : { ready: answer.ready, status: answer.status };
}

/** Undefined if the answer is none of Postern's: another program may have the port. */
async function statusOf(response: Response): Promise<string | undefined> {
  const answer: unknown = await response.json().catch(() => undefined);
  const status = (answer as { status?: unknown } | null | undefined)?.status;
  return typeof status === 'string' && /^[a-z]+$/.test(status) ? status : undefined;
}
