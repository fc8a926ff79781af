// `--config FILE`, which every command takes: one spelling, one default.

import type { Command } from 'commander';

const DEFAULT_FILE = 'config/postern.yaml';

export interface ConfigOption {
  config?: string;
}

/** Adds `--config FILE` to a command. */
export function withConfigOption(command: Command): Command {
  return command.option(
    '--config <file>',
    `the configuration (default: $POSTERN_CONFIG, then ${DEFAULT_FILE})`,
  );
}

/** The file that the command line, else `$POSTERN_CONFIG`, else the default names. */
export function configFile(options: ConfigOption, env: NodeJS.ProcessEnv): string {
  return options.config ?? (env.POSTERN_CONFIG || DEFAULT_FILE);
}
