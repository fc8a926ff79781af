// What an app password was made for and cannot be used for: no listener speaks the protocol, or no route leads its user anywhere. Both
// may come later, so that is a warning and no refusal.

import { usableProtocols } from '../app/usable.ts';
import { loadConfig } from '../config/load.ts';
import { ConfigError } from '../lib/errors.ts';
import type { PasswordRecord } from '../passwords/record.ts';
import { type ConfigOption, configFile } from './config-option.ts';
import type { Terminal } from './terminal.ts';

export async function warnOfUse(
  { user, scope }: Pick<PasswordRecord, 'user' | 'scope'>,
  options: ConfigOption,
  env: NodeJS.ProcessEnv,
  terminal: Pick<Terminal, 'stderr'>,
): Promise<void> {
  const warn = (text: string) => terminal.stderr(`warning: ${text}\n`);
  let config: Parameters<typeof usableProtocols>[0];
  try {
    config = await loadConfig(configFile(options, env), env, { only: ['listeners', 'routes'] });
  } catch (error) {
    // It is made, whatever else is wrong with the configuration.
    if (!(error instanceof ConfigError)) throw error;
    return warn('whether it can be used is not known: the listeners or routes of the config have mistakes');
  }
  const usable: readonly string[] = usableProtocols(config, user);
  if (scope === null) {
    if (usable.length === 0) warn(`no route leads ${user} anywhere: it is good for nothing until one does`);
    return;
  }
  for (const protocol of scope.filter((one) => !usable.includes(one))) {
    const isSpoken = config.listeners.some((listener) => listener.protocol === protocol);
    warn(isSpoken ? `no route leads ${user} anywhere by ${protocol}` : `no listener speaks ${protocol}`);
  }
}
