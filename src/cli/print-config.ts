// `postern print-config`: the configuration as Postern understands it, defaults and all, without secrets.

import { Command } from 'commander';
import { stringify } from 'yaml';
import { loadConfig } from '../config/config.ts';
import { renderConfig } from '../config/render.ts';
import { type ConfigOption, configFile, withConfigOption } from './config-option.ts';
import type { Terminal } from './terminal.ts';

const EXAMPLES = `
Variables are substituted, defaults filled in, paths absolute; secrets read [secret].

Examples:
  postern print-config --config /etc/postern/postern.yaml
  postern print-config --json | jq .throttle
`;

export function printConfigCommand(terminal: Terminal, env: NodeJS.ProcessEnv): Command {
  return withConfigOption(new Command('print-config'))
    .description('print the configuration in effect, without secrets')
    .option('--json', 'print JSON instead of YAML')
    .addHelpText('after', EXAMPLES)
    .action(async (options: ConfigOption & { json?: boolean }) => {
      const shown = renderConfig(await loadConfig(configFile(options, env), env));
      terminal.stdout(options.json ? `${JSON.stringify(shown, null, 2)}\n` : stringify(shown));
    });
}
