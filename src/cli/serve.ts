// `postern serve`: the proxy itself.

import { Command } from 'commander';
import type { App } from '../app/app.ts';
import { loadConfig } from '../config/config.ts';
import { isJournal } from '../lib/journal.ts';
import { type ConfigOption, configFile, withConfigOption } from './config-option.ts';
import type { Terminal } from './terminal.ts';
import { version } from './version.ts';

const SIGNALS = `
Logs go to standard output, one JSON object a line; what keeps it from starting goes to standard error. Where
systemd's journal reads them, a line's level is its priority there: journalctl -p err.

SIGTERM, SIGINT: accept no more, let sessions end until limits.drain has passed, stop. A second one stops at once.
SIGHUP: read the configuration and its files again, for new connections. With a mistake in them nothing changes.
SIGUSR1: nothing.
`;

export function serveCommand(_terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  return withConfigOption(new Command('serve'))
    .description('run the proxy until it is told to stop')
    .addHelpText('after', SIGNALS)
    .action(async (options: ConfigOption) => {
      const load = () => loadConfig(configFile(options, env), env, { checkFiles: true });
      const stop = stopSignal();
      ignoreDebuggerSignal();
      const onApp = reloadSignal(load);
      // Here and not above: all that serves need not be read for a command that asks how many app passwords there are.
      const { createApp } = await import('../app/app.ts');
      await using app = await createApp(await load(), {
        version: version(),
        isJournal: isJournal(1, env.JOURNAL_STREAM),
      });
      onApp(app);
      await stop();
      const drained = app.drain();
      await Promise.race([drained, stop()]);
    });
}

/**
 * Node's own answer to SIGUSR1, which tools that rotate logs are fond of sending, is a debugger on a port of loopback: there any user of
 * the machine may run code in this process and read what it holds.
 */
function ignoreDebuggerSignal(): void {
  process.on('SIGUSR1', () => {});
}

/** Each call of the result waits for one more SIGTERM or SIGINT. */
function stopSignal(): () => Promise<void> {
  let pending = 0;
  let wake: (() => void) | undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      pending++;
      wake?.();
    });
  }
  return async () => {
    if (pending === 0) await new Promise<void>((resolve) => (wake = resolve));
    pending--;
  };
}

/** Reloads at SIGHUP. One that comes before there is an app is not lost, and does not end the process. */
function reloadSignal(load: Parameters<App['reload']>[0]): (app: App) => void {
  let app: App | undefined;
  let early = false;
  process.on('SIGHUP', () => {
    if (app === undefined) early = true;
    else void app.reload(load);
  });
  return (started) => {
    app = started;
    if (early) void app.reload(load);
  };
}
