// The Debian package on a fresh Debian: it installs, starts nothing, runs by its own Node.js, lets a mail client in, survives being
// installed again, and leaves as it should.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../src/packaging/compile.ts';
import { type BuiltPackages, builtPackages } from '../support/built-packages.ts';
import { run } from '../support/child-process.ts';
import { type DebianMachine, startDebianMachine } from '../support/debian-machine.ts';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { freePort } from '../support/ports.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { tempDir } from '../support/temp-dir.ts';

const PATIENCE = 600_000;
const stack = new AsyncDisposableStack();
let packages: BuiltPackages;
let machine: DebianMachine;
let pki: Pki;
let dovecot: Dovecot;

/** As an admin gives it, but for the mirror, which there is no need for. */
const INSTALL = 'cd /srv && apt-get install -y ./postern.deb';

beforeAll(async () => {
  packages = await builtPackages();
  pki = stack.use(await createPki());
  dovecot = stack.use(await startDovecot({ certificate: await pki.issue() }));
  // In the network of this machine, where Dovecot is.
  machine = stack.use(await startDebianMachine('fresh', 'host'));
  machine.write('/srv/postern.deb', readFileSync(packages.deb));
}, PATIENCE);

afterAll(() => stack.disposeAsync());

describe('the package', () => {
  test('says what it is, dates and owns every file alike, and has them in order', async () => {
    const listed = await run('sh', [
      '-c',
      `dpkg-deb --fsys-tarfile "$1" | tar tv --full-time --numeric-owner`,
      'sh',
      packages.deb,
    ]);
    const files = listed.stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/));
    expect(new Set(files.map(([, owner]) => owner))).toEqual(new Set(['0/0']));
    expect(new Set(files.map(([, , , day, time]) => `${day} ${time}`)).size).toBe(1);
    expect(new Set(files.map(([mode]) => mode))).toEqual(new Set(['drwxr-xr-x', '-rw-r--r--', '-rwxr-xr-x']));
    const names = files.map((fields) => fields[5]!);
    expect(names.filter((name) => /node_modules\/(typescript|vitest|node)\//.test(name))).toEqual([]);
    expect(names.filter((name) => /\.node$/.test(name)).length).toBe(2);
    const { stdout: depends } = await run('dpkg-deb', ['--field', packages.deb, 'Depends']);
    expect(depends).toMatch(/^adduser, libc6 \(>= 2\.\d+\), libgcc-s1, libstdc\+\+6\n$/);
  });

  test('the tarball runs from wherever it is unpacked, by a link too', async () => {
    using dir = tempDir();
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const unpacked = `${dir.path}/postern-${version}-${process.platform}-${process.arch}`;
    const script = `tar -C "$1" -xzf "$2" && ln -s "$3/bin/postern" "$1/link" && "$1/link" --version`;
    const shown = await run('sh', ['-c', script, 'sh', dir.path, packages.tarball, unpacked], {
      env: { PATH: '/usr/bin:/bin' },
    });
    expect(shown).toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});

test('it installs without a network or a question, makes its user and directories, and starts nothing', async () => {
  await machine.ok(INSTALL);
  const stat = await machine.ok(
    `stat -c '%n %U:%G %a' /etc/postern /etc/postern/postern.yaml /etc/postern/tls /etc/postern/secrets /var/lib/postern`,
  );
  expect(stat.trim().split('\n')).toEqual([
    '/etc/postern root:postern 750',
    '/etc/postern/postern.yaml root:postern 640',
    '/etc/postern/tls root:postern 750',
    '/etc/postern/secrets root:postern 750',
    '/var/lib/postern postern:postern 700',
  ]);
  expect(await machine.ok('getent passwd postern')).toMatch(
    /^postern:x:\d+:\d+:[^:]*:\/var\/lib\/postern:\/usr\/sbin\/nologin$/m,
  );
  expect((await machine.sh('pgrep -u postern')).stdout).toBe('');
  expect((await machine.sh('ls /etc/systemd/system/multi-user.target.wants/postern.service')).code).not.toBe(
    0,
  );
});

test('what it brings as configuration is one whose only mistakes are the files that are not there yet', async () => {
  const { code, stderr } = await machine.sh('postern check-config --config /etc/postern/postern.yaml');
  expect(code).toBe(78);
  const mistakes = stderr.split('\n').filter((line) => line.startsWith('postern.yaml:'));
  expect(mistakes.length).toBeGreaterThan(0);
  for (const mistake of mistakes) expect(mistake).toContain('there is no such file');
});

test('no other Node.js is asked, whatever the machine calls by that name', async () => {
  machine.write('/usr/local/bin/node', '#!/bin/sh\necho the wrong node\nexit 3\n');
  await machine.ok('chmod +x /usr/local/bin/node');
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(await machine.ok('postern --version')).toBe(`${version}\n`);
});

test('with a configuration a mail client gets in, by an app password of the package’s own command', async () => {
  const certificate = await pki.issue();
  const port = await freePort();
  const admin = await freePort();
  machine.write('/etc/postern/tls/fullchain.pem', readFileSync(certificate.certFile));
  machine.write('/etc/postern/tls/key.pem', readFileSync(certificate.keyFile));
  machine.write('/etc/postern/tls/internal-ca.pem', readFileSync(pki.ca.certFile));
  machine.write('/etc/postern/secrets/dovecot', `${dovecot.master.password}\n`);
  const initial = machine.read('/etc/postern/postern.yaml');
  const changed = initial
    .replace('0.0.0.0:993', `127.0.0.1:${port}`)
    .replace(/^.*0\.0\.0\.0:143.*\n/m, '')
    .replace('imap.internal:993', `localhost:${dovecot.ports.imaps}`)
    .replace('127.0.0.1:9090', `127.0.0.1:${admin}`);
  machine.write('/etc/postern/postern.yaml', changed);
  await machine.ok('chown -R root:postern /etc/postern && chmod -R g+rX,o= /etc/postern');
  expect(await machine.ok('postern check-config --config /etc/postern/postern.yaml')).toContain('ok:');

  const served = machine.start(
    'exec setpriv --reuid postern --regid postern --init-groups postern serve --config /etc/postern/postern.yaml',
  );
  await expect.poll(() => served.log()).toContain('"event":"ready"');
  const made = await machine.ok(
    'postern password create --config /etc/postern/postern.yaml --user alice@example.com --name phone --json',
  );
  const password = ledger(JSON.parse(made).password);
  const curl = (secret: string) =>
    run('curl', ['--silent', '--cacert', pki.ca.certFile, '--config', '-', `imaps://localhost:${port}/`], {
      input: `user = "alice@example.com:${secret}"\n`,
    });
  expect(await curl(password)).toMatchObject({ code: 0, stdout: expect.stringContaining('INBOX') });
  // 67: the server says that the login is not good.
  expect((await curl('abcd efgh ijkm npqr')).code).toBe(67);
  await machine.ok('pkill -u postern --full serve; while pgrep -u postern; do sleep 0.1; done');
});

describe('systemd', () => {
  test('finds nothing wrong with the unit', async () => {
    const found = await run('systemd-analyze', ['verify', '--man=no', join(ROOT, 'config/postern.service')]);
    const own = found.stderr
      .split('\n')
      .filter((line) => line.includes('postern.service') && !line.includes('postern is not executable'));
    expect(own).toEqual([]);
  });

  test('an upgrade restarts what runs, a removal stops it; the first installation touches nothing', async () => {
    await using other = await startDebianMachine('with-systemd', 'host');
    other.write('/srv/postern.deb', readFileSync(packages.deb));
    // A systemd that only notes what it is told.
    other.write('/usr/bin/systemctl', '#!/bin/sh\necho "$*" >> /srv/told\n');
    await other.ok('chmod +x /usr/bin/systemctl; mkdir -p /run/systemd/system');
    await other.ok(INSTALL);
    expect(other.read('/srv/told')).toBe('--system daemon-reload\n');
    await other.ok('apt-get install -y --reinstall /srv/postern.deb');
    expect(other.read('/srv/told').split('\n').slice(1, -1)).toEqual([
      '--system daemon-reload',
      'try-restart postern.service',
    ]);
    await other.ok('apt-get remove -y postern');
    expect(other.read('/srv/told').split('\n').slice(3, -1)).toEqual([
      'stop postern.service',
      '--system daemon-reload',
    ]);
  });
});

test('installed again, it leaves what an admin has changed', async () => {
  await machine.ok(
    'chmod 0700 /var/lib/postern; chmod 0711 /etc/postern/tls; echo "# mine" >> /etc/postern/postern.yaml',
  );
  const before = await machine.ok(
    'stat -c "%n %U %G %a %Y" /etc/postern/postern.yaml /etc/postern/tls /var/lib/postern/*',
  );
  await machine.ok('apt-get install -y --reinstall /srv/postern.deb');
  expect(machine.read('/etc/postern/postern.yaml')).toContain('# mine');
  expect(
    await machine.ok(
      'stat -c "%n %U %G %a %Y" /etc/postern/postern.yaml /etc/postern/tls /var/lib/postern/*',
    ),
  ).toBe(before);
});

test('removed, it leaves configuration, store and keys; purged, only what is not its own', async () => {
  await machine.ok('apt-get remove -y postern');
  expect((await machine.sh('ls /usr/bin/postern /usr/lib/postern')).stdout).toBe('');
  const kept = await machine.ok('ls /var/lib/postern /etc/postern /etc/postern/secrets');
  for (const name of ['postern.db', 'keys.json', 'postern.yaml', 'dovecot']) expect(kept).toContain(name);

  await machine.ok('apt-get purge -y postern');
  expect((await machine.sh('ls -d /var/lib/postern /etc/postern/postern.yaml')).stdout).toBe('');
  expect(await machine.ok('ls /etc/postern/secrets')).toBe('dovecot\n');
  expect((await machine.sh('getent passwd postern; getent group postern')).stdout).toBe('');
  // And back again.
  await machine.ok(INSTALL);
  expect(await machine.ok('ls -A /var/lib/postern')).toBe('');
});
