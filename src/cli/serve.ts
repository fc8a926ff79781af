// `postern serve`: the proxy itself.

import { Command } from 'commander';
import { createApp } from '../app.ts';
import { loadConfig } from '../config/config.ts';
import { type ConfigOption, configFile, withConfigOption } from './config-option.ts';
import type { Terminal } from './terminal.ts';
import { version } from './version.ts';

const SIGNALS = `
Logs go to standard output, one JSON object a line.

SIGTERM, SIGINT: accept no more, let sessions end until limits.drain has passed, stop. A second one stops at once.
`;

export function serveCommand(_terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  return withConfigOption(new Command('serve'))
    .description('run the proxy until it is told to stop')
    .addHelpText('after', SIGNALS)
    .action(async (options: ConfigOption) => {
      const config = await loadConfig(configFile(options, env), env);
      const stop = stopSignal();
      await using app = await createApp(config, { version: version() });
      await stop();
      const drained = app.drain();
      await Promise.race([drained, stop()]);
    });
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
