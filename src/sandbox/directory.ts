// The sandbox's directory: what is in it, and how it is emptied and written. Everything in it is for its owner only.

import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { askControl } from '../admin/control.ts';
import { ConfigError } from '../lib/errors.ts';

/** Stands at the top of the config that the sandbox writes, and tells it from an admin's. */
export const CONFIG_HEAD = '# Made by `npm start`, anew each time.\n';

export interface SandboxFiles {
  readonly directory: string;
  readonly config: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  readonly netrc: string;
  /** The app password alone, without a line's end: for ldapsearch. */
  readonly password: string;
  readonly log: string;
  readonly state: string;
  readonly control: string;
}

export function sandboxFiles(directory: string): SandboxFiles {
  const file = (name: string) => join(directory, name);
  return {
    directory,
    config: file('postern.yaml'),
    ca: file('ca.pem'),
    certificate: file('server.pem'),
    key: file('server.key'),
    netrc: file('netrc'),
    password: file('password'),
    log: file('postern.log'),
    state: file('state.json'),
    control: file('control.sock'),
  };
}

/**
 * Makes the directory, mode 0700, and removes what an earlier sandbox left there, and nothing else. Throws ConfigError if a
 * sandbox runs there, or if the config there is somebody's own.
 */
export async function emptyDirectory(files: SandboxFiles): Promise<void> {
  const { directory, control } = files;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const config = readIfThere(files.config);
  if (config !== undefined && !config.startsWith(CONFIG_HEAD)) {
    throw new ConfigError(`${files.config} was not made by the sandbox: give it another directory`);
  }
  const running = await askControl(control, 'GET', '/sessions').then(
    () => true,
    () => false,
  );
  if (running) {
    throw new ConfigError(
      `a sandbox runs in ${directory} already: stop it, or start another by \`npm start -- --directory DIRECTORY\``,
    );
  }
  const stores = ['postern.db', 'postern.db-wal', 'postern.db-shm', 'keys.json'].map((name) =>
    join(directory, name),
  );
  // The state first: nobody may take it for this start's.
  for (const path of [files.state, ...Object.values(files), ...stores]) {
    if (path !== directory) rmSync(path, { force: true });
  }
}

/** Writes a file of mode 0600. */
export function writePrivate(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
}

/** The same, but whoever looks sees the whole file or none. */
export function writeAtOnce(path: string, text: string): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  const descriptor = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, path);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
