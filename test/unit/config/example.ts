// A small configuration that is right, and a way to make one line of it wrong.

import { parseConfig } from '../../../src/config/config.ts';
import type { ReadFile } from '../../../src/config/secret-file.ts';
import { ConfigError } from '../../../src/lib/errors.ts';
import { Secret } from '../../../src/lib/secret.ts';

export const SMALL = `hostname: mail.example.com
store: { url: "sqlite:./data/postern.db" }
keys: { file: ./data/keys.json }
tls: { certificate: ./tls/chain.pem, key: ./tls/key.pem }
listeners:
  - { name: imaps, protocol: imap, address: "0.0.0.0:993", tls: implicit }
upstreams:
  dovecot:
    protocol: imap
    address: imap.internal:993
    tls: implicit
    login: { method: plain, user: postern, passwordFile: ./master }
routes:
  - { users: "*@example.com", imap: dovecot }
`;

export const MASTER_PASSWORD = 'correct horse';

/** Files by absolute path: a text (mode 0600), or a text and a mode. */
export function files(
  contents: Record<string, string | Uint8Array | { text: string; mode: number }>,
): ReadFile {
  return (path) => {
    const found = contents[path];
    if (found === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    if (typeof found === 'object' && 'mode' in found)
      return { content: Buffer.from(found.text), mode: found.mode };
    return { content: Buffer.from(found as string), mode: 0o100600 };
  };
}

export const MASTER_FILE = files({ '/etc/postern/master': `${MASTER_PASSWORD}\n` });

export function parse(text: string, env: NodeJS.ProcessEnv = {}, readFile: ReadFile = MASTER_FILE) {
  return parseConfig(text, { file: '/etc/postern/postern.yaml', env, readFile });
}

/** The messages that a configuration is refused with; none if it is right. */
export function mistakes(
  text: string,
  env: NodeJS.ProcessEnv = {},
  readFile: ReadFile = MASTER_FILE,
): string[] {
  try {
    parse(text, env, readFile);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return [...error.messages];
    throw error;
  }
}

/** The small configuration with one piece replaced. */
export function small(piece: string, by: string): string {
  if (!SMALL.includes(piece)) throw new Error(`the small configuration has no ${piece}`);
  return SMALL.replace(piece, () => by);
}

/** An upstream's password in clear. */
export function passwordOf({ login }: { login: object }): string {
  if (!('password' in login) || !(login.password instanceof Secret))
    throw new Error('the login has no password');
  return login.password.reveal();
}
