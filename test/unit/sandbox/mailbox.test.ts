// The sandbox's mailbox: as many connections as mail clients like to have.

import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startMailbox } from '../../../src/sandbox/mailbox.ts';

test('with thirty connections Node warns of no leak', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  await using mailbox = await startMailbox();
  const sockets = Array.from({ length: 30 }, () => connect(mailbox.port, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'data')));
  // Warnings are emitted in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  for (const socket of sockets) socket.destroy();
  expect(warnings).toEqual([]);
});
