// The real program on a literal config, as an admin would run it: `node bin/postern.js serve`, and the command line beside
// it. Its log goes to the run's logs.

import { randomUUID } from 'node:crypto';
import { chownSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type Exit, type Outcome, run, spawnTied, stopChild, whenReady } from './child-process.ts';
import { type Metrics, parseMetrics } from './metrics-text.ts';
import { PATIENCE } from './patience.ts';
import type { Certificate } from './pki.ts';
import { freePort } from './ports.ts';
import { newLogFile } from './run-directory.ts';
import { ledger, mask } from './secrets-ledger.ts';
import { tempDir } from './temp-dir.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'postern.js');

export interface PosternOptions {
  /** For the listeners. */
  readonly certificate: Certificate;
  /**
   * YAML: `upstreams` and `routes`, and any other section, which then stands in place of the one below. Relative paths are
   * relative to a directory of this instance's own, where `files` are.
   */
  readonly config: string | ((ports: Ports) => string);
  /** Written before the start, mode 0600: path → text. */
  readonly files?: Readonly<Record<string, string>>;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The most file descriptors that the process may have, by prlimit(1). */
  readonly openFiles?: number;
  /** Even if this process is root it runs as nobody, who then owns its directory: permissions bind it. */
  readonly asNobody?: boolean;
  /** What to wait for; `/readyz` unless told. */
  readonly until?: '/readyz' | '/livez';
}

export interface Ports {
  /** STARTTLS. */
  readonly imap: number;
  /** Implicit TLS. */
  readonly imaps: number;
  readonly admin: number;
}

export interface MadePassword {
  readonly id: string;
  /** As it was printed. */
  readonly password: string;
}

export interface Postern extends AsyncDisposable {
  readonly ports: Ports;
  /** Where config, store and keys are. */
  readonly directory: string;
  readonly configFile: string;
  readonly pid: number;
  /** Runs another command on the same config. */
  cli(args: readonly string[], options?: { input?: string }): Promise<Outcome>;
  /** `password create`, under a new name unless told; `options` are further arguments, such as `['--scope', 'imap']`. */
  createPassword(user: string, name?: string, options?: readonly string[]): Promise<MadePassword>;
  /** `password revoke`. */
  revoke(id: string): Promise<void>;
  metrics(): Promise<Metrics>;
  /** The status of `/livez` or `/readyz`. */
  status(path: string): Promise<number>;
  /** What it has logged and printed so far. */
  log(): string;
  /** The log's JSON lines. */
  events(): Record<string, unknown>[];
  /** Waits until the log has what `pattern` says. */
  logged(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal without waiting for anything. */
  signal(signal: NodeJS.Signals): void;
  /** Waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
}

/** The config of a test unless it says otherwise. */
function base(ports: Ports, certificate: Certificate): string {
  return `
hostname: localhost
store: { url: "sqlite:./postern.db" }
keys: { file: ./keys.json }
control: { socket: ./control.sock }
tls: { certificate: "${certificate.certFile}", key: "${certificate.keyFile}" }
users: { defaultDomain: example.com }
listeners:
  - { name: imap, protocol: imap, address: "127.0.0.1:${ports.imap}", tls: starttls }
  - { name: imaps, protocol: imap, address: "127.0.0.1:${ports.imaps}", tls: implicit }
throttle: { failureDelay: 50ms }
admin: { address: "127.0.0.1:${ports.admin}" }
log: { level: debug }
`;
}

/** Starts it and waits until it says that it is ready; throws with its log if it does not. */
export async function startPostern(options: PosternOptions): Promise<Postern> {
  const dir = tempDir();
  const ports = { imap: await freePort(), imaps: await freePort(), admin: await freePort() };
  const configFile = join(dir.path, 'postern.yaml');
  const sections = typeof options.config === 'string' ? options.config : options.config(ports);
  for (const [name, text] of Object.entries(options.files ?? {})) {
    mkdirSync(dirname(join(dir.path, name)), { recursive: true });
    writeFileSync(join(dir.path, name), text, { mode: 0o600 });
  }
  writeFileSync(configFile, stringify({ ...parse(base(ports, options.certificate)), ...parse(sections) }));

  const logFile = newLogFile('postern');
  const logHandle = openSync(logFile, 'a');
  const env = { ...process.env, ...options.env };
  const serve = [process.execPath, PROGRAM, 'serve', '--config', configFile];
  const { openFiles } = options;
  if (options.asNobody === true) serve.unshift(...becomeNobody(dir.path));
  const limited =
    openFiles === undefined ? serve : ['/usr/bin/prlimit', `--nofile=${openFiles}:${openFiles}`, ...serve];
  const child = spawnTied(limited[0]!, limited.slice(1), {
    cwd: dir.path,
    env,
    stdio: ['ignore', logHandle, logHandle],
  });
  closeSync(logHandle);
  const log = () => readFileSync(logFile, 'utf8');

  const stop = (signal: NodeJS.Signals = 'SIGTERM') => stopChild(child, signal);
  const dispose = async () => {
    try {
      await stop();
    } finally {
      dir[Symbol.dispose]();
    }
  };
  const admin = (path: string) => fetch(`http://127.0.0.1:${ports.admin}${path}`);

  try {
    await whenReady(child, () =>
      admin(options.until ?? '/readyz')
        .then((r) => r.ok || undefined)
        .catch(() => undefined),
    );
  } catch (error) {
    await dispose();
    throw new Error(`Postern did not start: ${(error as Error).message}\n${mask(log())}`);
  }

  const cli = async (args: readonly string[], { input = '' } = {}) => {
    const outcome = await run(process.execPath, [PROGRAM, ...args, '--config', configFile], {
      cwd: dir.path,
      env,
      input,
    });
    writeFileSync(newLogFile('postern-cli'), outcome.stderr);
    return outcome;
  };
  const cliOk = async (args: readonly string[]) => {
    const outcome = await cli(args);
    if (outcome.code !== 0)
      throw new Error(`postern ${args.join(' ')}: exit ${outcome.code}: ${outcome.stderr}`);
    return outcome.stdout;
  };

  return {
    ports,
    directory: dir.path,
    configFile,
    pid: child.pid!,
    cli,
    async createPassword(user, name = `device ${randomUUID()}`, more = []) {
      const made = JSON.parse(
        await cliOk(['password', 'create', '--user', user, '--name', name, ...more, '--json']),
      );
      ledger(made.password.replaceAll(' ', ''));
      return { id: made.id, password: made.password };
    },
    async revoke(id) {
      await cliOk(['password', 'revoke', id]);
    },
    metrics: async () => parseMetrics(await (await admin('/metrics')).text()),
    status: async (path) => (await admin(path)).status,
    log,
    events: () =>
      log()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line)),
    async logged(pattern) {
      try {
        return await whenReady(child, async () => pattern.exec(log()) ?? undefined, PATIENCE);
      } catch {
        throw new Error(`Postern's log has nothing like ${pattern}:\n${mask(log())}`);
      }
    },
    signal: (signal) => child.kill(signal),
    stop,
    [Symbol.asyncDispose]: dispose,
  };
}

const NOBODY = 65_534;

/** Gives nobody the directory, and the words before a command that nobody is to run; none if we are not root. */
function becomeNobody(directory: string): string[] {
  if (process.geteuid?.() !== 0) return [];
  for (const name of ['.', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })]) {
    chownSync(join(directory, name), NOBODY, NOBODY);
  }
  // The signal at our death, again: a change of user takes it back.
  return [
    '/usr/bin/setpriv',
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    '--pdeathsig',
    'TERM',
  ];
}
