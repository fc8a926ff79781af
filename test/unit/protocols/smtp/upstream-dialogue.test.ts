// How commands are written to an upstream. What it answers, and how it fails: test/protocol/smtp-upstream-faults.test.ts.

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { UpstreamDialogue } from '../../../../src/protocols/smtp/upstream-dialogue.ts';

test('commands of one turn of the event loop are one write, in their order, before the data that follow', async () => {
  const writes: string[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      writes.push(chunk.toString());
      done();
    },
    writev(chunks, done) {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      done();
    },
  });
  const dialogue = new UpstreamDialogue(socket as Socket, { host: 'upstream.test', port: 25 });
  const recipients = ['a', 'b', 'c'].map(async (name) => {
    await Promise.resolve();
    return dialogue.command(`RCPT TO:<${name}@example.net>`);
  });
  await new Promise(setImmediate);
  expect(writes).toEqual([
    'RCPT TO:<a@example.net>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\n',
  ]);
  socket.push('250 a\r\n550 b\r\n250 c\r\n');
  expect((await Promise.all(recipients)).map(({ code }) => code)).toEqual([250, 550, 250]);
  const data = dialogue.command('DATA');
  const answer = data.then(() => dialogue.endData(Buffer.from('x\r\n.\r\n')));
  await new Promise(setImmediate);
  socket.push('354 go on\r\n');
  await expect.poll(() => writes.slice(1)).toEqual(['DATA\r\n', 'x\r\n.\r\n']);
  socket.push('250 ok\r\n');
  expect((await answer).code).toBe(250);
  dialogue.destroy();
});
