// A machine of a test's own, on a Debian root: own files, own processes, own host name and, unless told, a network of its own that
// others can be joined to. Nothing that is done in it reaches the machine that the tests run on.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Outcome, run, whenReady } from './child-process.ts';
import { DEBIAN_ROOT, debianRootIsThere } from './debian-root.ts';
import { newLogFile } from './run-directory.ts';
import { mask } from './secrets-ledger.ts';
import { tempDir } from './temp-dir.ts';

export interface DebianMachine extends AsyncDisposable {
  readonly name: string;
  /** Runs a shell script as root; `input` is what is typed. */
  sh(script: string, options?: { readonly input?: string; readonly patience?: number }): Promise<Outcome>;
  /** The same; throws unless it ends with 0. Gives what it printed. */
  ok(script: string, options?: { readonly input?: string; readonly patience?: number }): Promise<string>;
  /** Starts a command that stays; what it prints goes to a log of the run, whose text `log` gives. */
  start(script: string): { log(): string };
  /** Writes a file, and the directories that it needs, as root with the mode of a umask of 022. */
  write(path: string, content: string | Buffer): void;
  /** Of a file in it. */
  read(path: string): string;
  /** Joins its network to another's by a cable, both ends with an address: `192.0.2.10/24`. */
  cable(address: string, other: DebianMachine, otherAddress: string): Promise<void>;
  /** The process that everything in it descends from. */
  readonly pid: number;
}

/** $1 is an empty directory, $2 the root, $3 the name. bash as the first process takes in those whose parents are gone. */
const BOOT = `
set -e
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/whole"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/whole"
mount -t proc proc "$1/whole/proc"
mount --rbind /dev "$1/whole/dev"
mount -t tmpfs -o mode=755 tmpfs "$1/whole/run"
mkdir -p "$1/whole/run/lock"
hostname "$3"
if [ "$4" = own ]; then ip link set lo up; fi
exec chroot "$1/whole" /bin/bash -c 'echo up; sleep infinity & wait'
`;

const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
  TERM: 'dumb',
};

export async function startDebianMachine(
  name: string,
  network: 'own' | 'host' = 'own',
): Promise<DebianMachine> {
  if (!debianRootIsThere()) {
    throw new Error('there is no Debian root: node test/support/install-servers.ts makes it, as root');
  }
  const dir = tempDir();
  const namespaces = ['--mount', '--pid', '--uts', '--ipc', ...(network === 'own' ? ['--net'] : [])];
  const child = spawn(
    '/usr/bin/setpriv',
    // unshare takes no notice of SIGTERM.
    [
      ...['--pdeathsig', 'KILL', 'unshare', ...namespaces, '--fork', '--kill-child=KILL'],
      ...['/bin/bash', '-c', BOOT, 'boot', dir.path, DEBIAN_ROOT, name, network],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const dispose = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    dir[Symbol.dispose]();
  };
  try {
    await whenReady(child, async () => said.startsWith('up') || undefined);
  } catch (error) {
    await dispose();
    throw new Error(`the machine ${name} did not start: ${(error as Error).message}\n${said}`);
  }
  const pid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim());
  const enter = [
    '--target',
    String(pid),
    '--mount',
    '--pid',
    '--uts',
    '--ipc',
    '--net',
    '--root',
    '--wdns=/root',
  ];
  const inside = (path: string) => join(`/proc/${pid}/root`, path);

  // To files and not to pipes: a daemon that a script starts keeps what it was given, and nobody waits for that.
  const sh: DebianMachine['sh'] = async (script, { input = '', patience = 120_000 } = {}) => {
    using outputs = tempDir();
    const files = ['in', 'out', 'err'].map((name) => join(outputs.path, name));
    writeFileSync(files[0]!, input);
    const handles = files.map((file, index) => openSync(file, index === 0 ? 'r' : 'w'));
    const shell = spawn('nsenter', [...enter, '/bin/bash', '-c', script], {
      env: ENVIRONMENT,
      stdio: handles,
    });
    for (const handle of handles) closeSync(handle);
    const timer = setTimeout(() => shell.kill('SIGKILL'), patience);
    const [code, signal] = (await once(shell, 'exit')) as [number | null, NodeJS.Signals | null];
    clearTimeout(timer);
    const [stdout, stderr] = files.slice(1).map((file) => readFileSync(file, 'utf8'));
    if (signal === 'SIGKILL')
      throw new Error(mask(`on ${name}: not done in ${patience} ms\n${script}\n${stderr}`));
    return { code, signal, stdout: stdout!, stderr: stderr! };
  };
  const machine: DebianMachine = {
    name,
    pid,
    sh,
    async ok(script, options) {
      const outcome = await sh(script, options);
      if (outcome.code !== 0) {
        throw new Error(
          mask(`on ${name}: exit ${outcome.code}\n${script}\n${outcome.stdout}${outcome.stderr}`),
        );
      }
      return outcome.stdout;
    },
    start(script) {
      const file = newLogFile(name);
      const handle = openSync(file, 'a');
      spawn('nsenter', [...enter, '/bin/bash', '-c', script], {
        env: ENVIRONMENT,
        stdio: ['ignore', handle, handle],
      });
      closeSync(handle);
      return { log: () => readFileSync(file, 'utf8') };
    },
    write(path, content) {
      mkdirSync(dirname(inside(path)), { recursive: true });
      writeFileSync(inside(path), content);
    },
    read: (path) => readFileSync(inside(path), 'utf8'),
    async cable(address, other, otherAddress) {
      const made = await run('ip', [
        ...['link', 'add', 'eth0', 'netns', String(pid), 'type', 'veth'],
        ...['peer', 'name', 'eth0', 'netns', String(other.pid)],
      ]);
      if (made.code !== 0) throw new Error(`no cable between ${name} and ${other.name}: ${made.stderr}`);
      for (const [at, end] of [
        [machine, address],
        [other, otherAddress],
      ] as const) {
        await at.ok(`ip address add ${end} dev eth0 && ip link set eth0 up`);
      }
    },
    [Symbol.asyncDispose]: dispose,
  };
  return machine;
}
