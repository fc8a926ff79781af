// Redis for Postern's limits, with nothing kept on disk.

import { connect } from 'node:net';
import { spawnTied, stopChild, whenReady } from '../../support/child-process.ts';
import { freePort } from '../../support/ports.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { type Usage, usageOf } from '../process-usage.ts';

export interface Redis extends AsyncDisposable {
  readonly url: string;
  usage(): Usage;
}

export async function startRedis(): Promise<Redis> {
  const dir = tempDir();
  const port = await freePort();
  const settings = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir.path, '--save', ''];
  const child = spawnTied('/usr/bin/redis-server', settings, { stdio: 'ignore' });
  const accepts = () =>
    new Promise<true | undefined>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(undefined));
    });
  await whenReady(child, accepts, 10_000);
  return {
    url: `redis://127.0.0.1:${port}/0`,
    usage: () => usageOf(child.pid!),
    async [Symbol.asyncDispose]() {
      await stopChild(child);
      dir[Symbol.dispose]();
    },
  };
}
