// A real Postfix of a test's own: own port, queue and log, gone with the test. It relays for whom it takes for authenticated, and for
// nobody else, to a sink that records every byte; and it believes XCLIENT from loopback, as an installation behind Postern would.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { run, spawnTied, stopChild, whenReady } from './child-process.ts';
import { PATIENCE } from './patience.ts';
import type { Certificate } from './pki.ts';
import { freePort } from './ports.ts';
import { newLogFile } from './run-directory.ts';
import { type ScriptedSmtpUpstream, startScriptedSmtpUpstream } from './scripted-smtp-upstream.ts';
import { tempDir } from './temp-dir.ts';

export interface Postfix extends AsyncDisposable {
  /** On 127.0.0.1, with STARTTLS. */
  readonly port: number;
  /** Where it relays everything to. */
  readonly sink: ScriptedSmtpUpstream;
  /** What it has logged so far. */
  log(): string;
  /** Waits until the log has what `pattern` says; gives the match. */
  logged(pattern: RegExp): Promise<RegExpExecArray>;
}

export interface PostfixOptions {
  readonly certificate: Certificate;
  /** Whose XCLIENT is believed; 127.0.0.0/8 unless told. */
  readonly xclientHosts?: string;
  /** Who may relay without being authenticated; nobody unless told. */
  readonly networks?: string;
  /** More of main.cf. */
  readonly settings?: readonly string[];
}

const SINK_EXTENSIONS = [
  'PIPELINING',
  'SIZE 100000000',
  'ENHANCEDSTATUSCODES',
  '8BITMIME',
  'DSN',
  'SMTPUTF8',
];
const MASTER = '/usr/lib/postfix/sbin/master';

/** service type private unpriv chroot wakeup maxproc command: nothing in a chroot, and no way in but the one port. */
const SERVICES = [
  'cleanup unix n - n - 0 cleanup',
  'qmgr unix n - n 300 1 qmgr',
  'tlsmgr unix - - n 1000? 1 tlsmgr',
  'rewrite unix - - n - - trivial-rewrite',
  'bounce unix - - n - 0 bounce',
  'defer unix - - n - 0 bounce',
  'trace unix - - n - 0 bounce',
  'verify unix - - n - 1 verify',
  'proxymap unix - - n - - proxymap',
  'smtp unix - - n - - smtp',
  'error unix - - n - - error',
  'retry unix - - n - - error',
  'anvil unix - - n - 1 anvil',
  'scache unix - - n - 1 scache',
  'postlog unix-dgram n - n - 1 postlogd',
];

/** Needs root: Postfix's processes change user. */
export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  await using started = new AsyncDisposableStack();
  const sink = started.use(await startScriptedSmtpUpstream({ extensions: SINK_EXTENSIONS }));
  const dir = started.use(tempDir(0o755));
  const port = await freePort();
  const logFile = newLogFile('postfix');
  const config = join(dir.path, 'etc');
  for (const name of ['etc', 'queue', 'data']) mkdirSync(join(dir.path, name), { mode: 0o755 });
  // The queue directory is root's, Postfix's own data are not.
  await expectOk('chown', ['postfix', join(dir.path, 'data')]);
  writeFileSync(
    join(config, 'master.cf'),
    [`127.0.0.1:${port} inet n - n - - smtpd`, ...SERVICES, ''].join('\n'),
  );
  writeFileSync(
    join(config, 'main.cf'),
    `
compatibility_level = 3.6
queue_directory = ${dir.path}/queue
data_directory = ${dir.path}/data
maillog_file = ${logFile}
maillog_file_prefixes = ${join(logFile, '..')}
myhostname = mx.postern.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
smtp_host_lookup = native
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = ${options.networks ?? ''}
default_transport = smtp:[127.0.0.1]:${sink.port}
relayhost =
smtp_tls_security_level = none
message_size_limit = 60000000
smtpd_authorized_xclient_hosts = ${options.xclientHosts ?? '127.0.0.0/8'}
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject
# Without it the LOGIN of XCLIENT opens nothing. AUTH itself is for nobody, but there must be mechanisms (libsasl2-modules).
smtpd_sasl_auth_enable = yes
smtpd_sasl_exceptions_networks = 0.0.0.0/0
smtpd_tls_security_level = may
smtpd_tls_cert_file = ${options.certificate.certFile}
smtpd_tls_key_file = ${options.certificate.keyFile}
tls_random_source = dev:/dev/urandom
maximal_backoff_time = 5s
minimal_backoff_time = 1s
${(options.settings ?? []).join('\n')}
`,
  );
  // Makes what is missing of the queue directory.
  await expectOk('/usr/sbin/postfix', ['-c', config, 'check']);
  // -d: in the foreground.
  const child = spawnTied(MASTER, ['-d', '-c', config], { stdio: 'ignore' });
  started.defer(async () => {
    await stopChild(child);
  });
  const log = () => {
    try {
      return readFileSync(logFile, 'utf8');
    } catch {
      return '';
    }
  };
  try {
    await whenReady(child, () => greets(port));
  } catch (error) {
    throw new Error(`Postfix did not start: ${(error as Error).message}\n${log()}`);
  }
  const whole = started.move();
  return {
    port,
    sink,
    log,
    async logged(pattern) {
      try {
        return await whenReady(child, async () => pattern.exec(log()) ?? undefined, PATIENCE);
      } catch {
        throw new Error(`Postfix's log has nothing like ${pattern}:\n${log()}`);
      }
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

async function expectOk(command: string, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}: ${stdout}${stderr}`);
}

/** True once the server has said something; undefined while it does not listen. */
function greets(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(5000, () => socket.destroy());
    socket.once('data', () => {
      socket.end('QUIT\r\n');
      resolve(true);
    });
    socket.once('error', () => {});
    socket.once('close', () => resolve(undefined));
  });
}
