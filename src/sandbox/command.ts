// Postern's own commands, as an admin would give them, but within this process.

import { main } from '../main.ts';

export interface MadePassword {
  readonly id: string;
  /** The bare 16 characters. */
  readonly password: string;
}

export interface Commands {
  createPassword(user: string, name: string): Promise<MadePassword>;
  revoke(id: string): Promise<void>;
}

export function commandsOn(config: string, env: NodeJS.ProcessEnv): Commands {
  /** What it printed; throws with what it said on standard error if it did not end well. */
  async function postern(...args: string[]): Promise<string> {
    let printed = '';
    let said = '';
    const terminal = {
      stdout: (text: string) => {
        printed += text;
      },
      stderr: (text: string) => {
        said += text;
      },
    };
    const code = await main([...args, '--config', config], terminal, env);
    if (code !== 0)
      throw new Error(`postern ${args.slice(0, 2).join(' ')} ended with ${code}: ${said.trim()}`);
    return printed;
  }
  return {
    async createPassword(user, name) {
      const made = JSON.parse(await postern('password', 'create', '--user', user, '--name', name, '--json'));
      return { id: made.id, password: made.password.replaceAll(' ', '') };
    },
    async revoke(id) {
      await postern('password', 'revoke', id);
    },
  };
}
