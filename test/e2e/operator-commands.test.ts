// The commands that ask a running process, and what two processes make of one place.

import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { run } from '../support/child-process.ts';
import { freePort } from '../support/ports.ts';
import { type Program, startProgram } from '../support/program-before-script.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'postern.js');
let program: Program;

beforeAll(async () => {
  program = await startProgram();
});
afterAll(() => program?.[Symbol.asyncDispose]());

/** A config beside that of the running one, in the same directory; `postern ARGS` on it. */
async function beside(config: object, ...args: string[]) {
  const { directory } = program.postern;
  const file = join(directory, `beside-${await freePort()}.yaml`);
  writeFileSync(file, stringify(config));
  return run(process.execPath, [PROGRAM, ...args, '--config', file], { cwd: directory });
}

const base = (given: { imap: number; admin: number; socket: string }) => ({
  hostname: 'localhost',
  store: { url: 'sqlite:./postern.db' },
  keys: { file: './keys.json' },
  control: { socket: given.socket },
  tls: { certificate: program.pki.ca.certFile, key: program.pki.ca.keyFile },
  listeners: [{ name: 'other', protocol: 'imap', address: `127.0.0.1:${given.imap}`, tls: 'implicit' }],
  upstreams: {
    script: {
      protocol: 'imap',
      address: `127.0.0.1:${program.upstream.port}`,
      tls: 'none',
      login: { method: 'plain', user: 'postern', passwordFile: './master' },
    },
  },
  routes: [{ users: '*', imap: 'script' }],
  admin: { address: `127.0.0.1:${given.admin}` },
});

describe('healthcheck', () => {
  test('ready: 0', async () => {
    expect(await program.postern.cli(['healthcheck'])).toMatchObject({
      code: 0,
      stdout: 'ready\n',
      stderr: '',
    });
  });

  test('alive: 0', async () => {
    expect(await program.postern.cli(['healthcheck', '--live'])).toMatchObject({
      code: 0,
      stdout: 'alive\n',
    });
  });

  test('no process: 69', async () => {
    const config = base({ imap: await freePort(), admin: await freePort(), socket: './none.sock' });
    const { code, stdout, stderr } = await beside(config, 'healthcheck');
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(/^postern: nothing answers on http:\/\/127\.0\.0\.1:\d+\/readyz\n$/);
  });

  test.each([
    ['HTML', 200, '<html>It works!</html>'],
    ['nothing', 200, ''],
    ['another JSON', 200, '[]'],
    ['null', 200, 'null'],
    ['an error page', 500, 'oops'],
  ])('another program that answers %s: 69', async (_, status, body) => {
    const other = createServer((_request, response) => response.writeHead(status).end(body));
    const port = await freePort();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    const config = base({ imap: await freePort(), admin: port, socket: './none.sock' });
    const { code, stderr } = await beside(config, 'healthcheck');
    other.close();
    expect(code).toBe(69);
    expect(stderr).not.toMatch(/internal error/);
  });

  test('a config with a mistake in what it reads: 78', async () => {
    const config = base({ imap: await freePort(), admin: await freePort(), socket: './none.sock' });
    expect((await beside({ ...config, admin: { adress: 'x' } }, 'healthcheck')).code).toBe(78);
  });

  test('without an admin address it asks the control socket', async () => {
    const config = { imap: await freePort(), admin: await freePort(), socket: './none.sock' };
    const without = { ...base(config), admin: null };
    expect(await beside(without, 'healthcheck')).toMatchObject({ code: 69, stdout: '' });
    expect(await beside(without, 'healthcheck', '--live')).toMatchObject({ code: 69, stdout: '' });
    // Of the process that runs, though the config that is asked with knows no admin address.
    const running = { ...without, control: { socket: './control.sock' } };
    expect(await beside(running, 'healthcheck')).toMatchObject({ code: 0, stdout: 'ready\n' });
    expect(await beside(running, 'healthcheck', '--live')).toMatchObject({ code: 0, stdout: 'alive\n' });
  });
});

test('sessions without a running process: 69, and it says what is missing', async () => {
  const config = base({ imap: await freePort(), admin: await freePort(), socket: './none.sock' });
  for (const args of [
    ['sessions', 'list'],
    ['sessions', 'list', '--json'],
    ['sessions', 'end', 'AAAAAAAAAAAA'],
  ]) {
    const { code, stdout, stderr } = await beside(config, ...args);
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(
      /^postern: nothing answers on the control socket .*none\.sock .*is `postern serve` running\?/,
    );
  }
});

describe('two processes', () => {
  test('on one control socket: 78, and the first one goes on', async () => {
    const config = base({ imap: await freePort(), admin: await freePort(), socket: './control.sock' });
    const { code, stderr } = await beside(config, 'serve');
    expect(code).toBe(78);
    expect(stderr).toMatch(
      /^control\.socket: another process answers on .*control\.sock; is Postern running already\?\n$/,
    );
    expect(existsSync(join(program.postern.directory, 'control.sock'))).toBe(true);
    expect((await program.postern.cli(['sessions', 'list'])).code).toBe(0);
  });

  test('on one port: 78, with the listener and the port, and its control socket is gone', async () => {
    const { imaps } = program.postern.ports;
    const config = base({ imap: imaps, admin: await freePort(), socket: './second.sock' });
    const { code, stderr } = await beside(config, 'serve');
    expect(code).toBe(78);
    expect(stderr).toBe(
      `listener other: cannot listen on 127.0.0.1 port ${imaps}: the port is taken by another process\n`,
    );
    expect(existsSync(join(program.postern.directory, 'second.sock'))).toBe(false);
    expect(await program.postern.status('/readyz')).toBe(200);
  });

  test('on one admin port: 78', async () => {
    const { admin } = program.postern.ports;
    const { code, stderr } = await beside(
      base({ imap: await freePort(), admin, socket: './second.sock' }),
      'serve',
    );
    expect(code).toBe(78);
    expect(stderr).toMatch(/^admin\.address: cannot listen on 127\.0\.0\.1 port \d+: the port is taken/);
  });

  test('a control socket that is a file of somebody: 78, and the file stays', async () => {
    const config = base({ imap: await freePort(), admin: await freePort(), socket: './postern.db' });
    const { code, stderr } = await beside(config, 'serve');
    expect(code).toBe(78);
    expect(stderr).toMatch(/^control\.socket: .*postern\.db is there already and is no socket\n$/);
    expect((await program.postern.cli(['password', 'list'])).code).toBe(0);
  });
});

test('the control socket is for its owner alone, and nonsense on it harms nobody', async () => {
  const path = join(program.postern.directory, 'control.sock');
  for (const bytes of [
    '\0\x16\x03',
    'GET /sessions HTTP/1.1\r\n',
    'POST /sessions/end HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{',
  ]) {
    await new Promise<void>((resolve) => {
      const socket = connect(path, () => socket.end(bytes));
      socket.on('error', () => {});
      socket.on('close', () => resolve());
      socket.resume();
    });
  }
  expect((await program.postern.cli(['sessions', 'list'])).code).toBe(0);
});
