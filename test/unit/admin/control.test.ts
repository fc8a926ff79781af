// The control socket: who may use it, what it answers, and what it makes of nonsense.

import { existsSync, statSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askControl, type Deed, startControl } from '../../../src/admin/control.ts';
import { ConfigError, UnavailableError } from '../../../src/lib/errors.ts';
import type { SessionEntry } from '../../../src/sessions/live-sessions.ts';
import { tempDir } from '../../support/temp-dir.ts';

const dir = tempDir();
let path = '';
let files = 0;
let server: Server | undefined;
const ended: [which: unknown, reason: string][] = [];
const sessions = {
  list: () => [{ id: 's1', user: 'alice@example.com' } as unknown as SessionEntry],
  end: (which: unknown, reason: string) => {
    ended.push([which, reason]);
    return 1;
  },
};
const cleared: unknown[] = [];
const limits = {
  sharing: 'shared',
  throttle: {
    list: async () => [{ kind: 'network' as const, network: '192.0.2.7/32', user: null, until: 5 }],
    clear: async (which: object) => cleared.push(which),
  },
};

const acceptErrors: Error[] = [];
const deeds: Deed[] = [];
const deps = {
  readiness: () => ({ ready: false, status: 'draining' }),
  sessions,
  limits,
  audit: async (deed: Deed) => void deeds.push(deed),
  onAcceptFailed: (error: Error) => acceptErrors.push(error),
};

const start = async () => {
  server = await startControl(path, deps);
  return server;
};
const stop = (which: Server) => {
  which.closeAllConnections();
  return new Promise((resolve) => which.close(resolve));
};

beforeEach(() => {
  files += 1;
  path = join(dir.path, `${files}.sock`);
  ended.length = 0;
  cleared.length = 0;
  deeds.length = 0;
});
afterEach(async () => {
  if (server !== undefined) await stop(server);
  server = undefined;
});

test('it is a socket that only its owner may use, whatever the umask', async () => {
  const mask = process.umask(0);
  try {
    await start();
  } finally {
    process.umask(mask);
  }
  const stat = statSync(path);
  expect(stat.isSocket()).toBe(true);
  expect((stat.mode & 0o777).toString(8)).toBe('600');
});

test('the mask of the process stays what it was', async () => {
  const before = process.umask();
  await start();
  expect(process.umask()).toBe(before);
});

test('the list, and ending by id and by user', async () => {
  await start();
  expect(await askControl(path, 'GET', '/sessions')).toEqual(sessions.list());
  expect(await askControl(path, 'POST', '/sessions/end', { id: 's1' })).toEqual({ ended: 1 });
  expect(await askControl(path, 'POST', '/sessions/end', { user: 'ALICE@example.com' })).toEqual({
    ended: 1,
  });
  expect(ended).toEqual([
    [{ id: 's1' }, 'admin'],
    [{ user: 'alice@example.com' }, 'admin'],
  ]);
  expect(deeds.map(({ action }) => action)).toEqual(['sessions_ended', 'sessions_ended']);
});

test('the blocks, and ending them by network, user, both, or all', async () => {
  await start();
  expect(await askControl(path, 'GET', '/throttle')).toEqual({
    sharing: 'shared',
    blocks: await limits.throttle.list(),
  });
  const clear = (which: object) => askControl(path, 'POST', '/throttle/clear', which);
  expect(await clear({ network: '192.0.2.7' })).toEqual({ sharing: 'shared', ended: 1 });
  await clear({ user: 'ALICE@example.com', network: '2001:DB8::/32' });
  await clear({});
  expect(cleared).toEqual([
    { network: '192.0.2.7/32' },
    { user: 'alice@example.com', network: '2001:db8::/32' },
    {},
  ]);
  expect(deeds).toMatchObject([
    { action: 'throttle_cleared', user: null, detail: 'network 192.0.2.7/32: 1 block' },
    {
      action: 'throttle_cleared',
      user: 'alice@example.com',
      detail: 'network 2001:db8::/32: 2 blocks',
    },
    { action: 'throttle_cleared', user: null, detail: 'all: 3 blocks' },
  ]);
});

test.each([
  ['null', null],
  ['a list', []],
  ['a key that is misspelt', { netwrok: '192.0.2.7' }],
  ['a network that is none', { network: 'everywhere' }],
  ['null for a user', { user: null }],
  ['a user that is none', { user: '*', network: '192.0.2.7' }],
])('%s clears no block', async (_, which) => {
  await start();
  const clear = askControl(path, 'POST', '/throttle/clear', which as object);
  await expect(clear).rejects.toThrow(UnavailableError);
  expect(cleared).toEqual([]);
  expect(deeds).toEqual([]);
});

describe('nonsense ends nothing and is answered', () => {
  test.each([
    ['no which', {}],
    ['a list', []],
    ['null for an id', { id: null }],
    ['a number', { id: 7 }],
    ['an object', { id: { $ne: '' } }],
    ['a user that is none', { user: '*' }],
    ['a body of 20 kB', { id: 's'.repeat(20_000) }],
  ])('%s', async (_, body) => {
    await start();
    await expect(askControl(path, 'POST', '/sessions/end', body)).rejects.toThrow(UnavailableError);
    expect(ended).toEqual([]);
    expect(deeds).toEqual([]);
    expect(await askControl(path, 'GET', '/sessions')).toHaveLength(1);
  });

  test('a request that there is not', async () => {
    await start();
    await expect(askControl(path, 'POST', '/shutdown')).rejects.toThrow(/another version/);
    await expect(askControl(path, 'POST', '/sessions')).rejects.toThrow(/another version/);
  });
});

describe('what is there already', () => {
  test('a socket that a dead process left is replaced', async () => {
    const dead = await startControl(path, deps);
    // Closed without unlinking, as a kill would leave it: by a name that it does not know.
    const { renameSync } = await import('node:fs');
    renameSync(path, `${path}.kept`);
    await stop(dead);
    renameSync(`${path}.kept`, path);
    await expect(askControl(path, 'GET', '/sessions')).rejects.toThrow(UnavailableError);
    await start();
    expect(await askControl(path, 'GET', '/sessions')).toHaveLength(1);
  });

  test('a living one is a config error, and stays', async () => {
    await start();
    const second = startControl(path, deps);
    await expect(second).rejects.toThrow(ConfigError);
    await expect(second).rejects.toThrow(/another process answers/);
    expect(await askControl(path, 'GET', '/sessions')).toHaveLength(1);
  });

  test('a file that is no socket is not deleted', async () => {
    writeFileSync(path, 'my thesis');
    await expect(startControl(path, deps)).rejects.toThrow(ConfigError);
    expect(statSync(path).size).toBe(9);
  });

  test.each([
    ['a directory that does not exist', () => join(dir.path, 'none', 'control.sock')],
    ['a path that is too long for a socket', () => join(dir.path, 'x'.repeat(200))],
  ])('%s is a config error', async (_, where) => {
    await expect(startControl(where(), deps)).rejects.toThrow(/^control\.socket: /);
  });
});

describe("a command's side", () => {
  test('no process: it says so', async () => {
    await expect(askControl(path, 'GET', '/sessions')).rejects.toThrow(/is `postern serve` running\?/);
  });

  test('something else answers', async () => {
    const other = createServer((socket) => {
      socket.on('error', () => {});
      socket.end('* OK IMAP4rev1 ready\r\n');
    }).listen(path);
    await expect(askControl(path, 'GET', '/sessions')).rejects.toThrow(UnavailableError);
    other.close();
  });
});

test('a connection that cannot be accepted ends nothing', async () => {
  const running = await start();
  const error = new Error('accept EMFILE');
  running.emit('error', error);
  expect(acceptErrors).toEqual([error]);
  expect(await askControl(path, 'GET', '/sessions')).toHaveLength(1);
});

test('the socket goes with the server', async () => {
  const one = await startControl(path, deps);
  await stop(one);
  expect(existsSync(path)).toBe(false);
});
