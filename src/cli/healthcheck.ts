// `postern healthcheck`: for containers without a shell or curl. Asks the running process whether it should get traffic.

import { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { UnavailableError, UsageError } from '../lib/errors.ts';
import { type ConfigOption, configFile, withConfigOption } from './config-option.ts';
import type { Terminal } from './terminal.ts';

export function healthcheckCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  return withConfigOption(new Command('healthcheck'))
    .description('ask the running process whether it is ready (for containers)')
    .option('--live', 'ask only whether it is alive')
    .addHelpText('after', '\nExit codes: 0 ready, 69 not ready or not running.\n')
    .action(async (options: ConfigOption & { live?: boolean }) => {
      const { admin } = await loadConfig(configFile(options, env), env, { only: ['admin'] });
      if (admin === null) throw new UsageError('the config has no admin.address to ask');
      const host = admin.host === '0.0.0.0' ? '127.0.0.1' : admin.host === '::' ? '::1' : admin.host;
      const authority = host.includes(':') ? `[${host}]` : host;
      const url = `http://${authority}:${admin.port}/${options.live ? 'livez' : 'readyz'}`;
      const response = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => undefined);
      if (response === undefined) throw new UnavailableError(`nothing answers on ${url}`);
      const status = await statusOf(response);
      if (status === undefined) throw new UnavailableError(`what answers on ${url} is not Postern`);
      if (!response.ok) throw new UnavailableError(`not ready: ${status}`);
      terminal.stdout(`${status}\n`);
    });
}

/** Undefined if the answer is none of Postern's: another program may have the port. */
async function statusOf(response: Response): Promise<string | undefined> {
  const answer: unknown = await response.json().catch(() => undefined);
  const status = (answer as { status?: unknown } | null | undefined)?.status;
  return typeof status === 'string' && /^[a-z]+$/.test(status) ? status : undefined;
}
