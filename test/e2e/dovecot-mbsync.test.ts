// A mailbox of 2,000 messages mirrored by mbsync through Postern equals the one mirrored directly, byte for byte, and both
// equal what was delivered.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mbsync } from '../support/mail-clients.ts';
import { message, sha256 } from '../support/mail-message.ts';
import { startPosternBeforeDovecot } from '../support/postern-before-dovecot.ts';
import { tempDir } from '../support/temp-dir.ts';

const COUNT = 2000;

test.each(['implicit', 'starttls'] as const)('mbsync, %s', async (tls) => {
  await using chain = await startPosternBeforeDovecot({ tls });
  using dir = tempDir();
  chain.dovecot.deliver('alice@example.com', COUNT, message);

  const direct = await mbsync(chain.direct('alice@example.com', tls), join(dir.path, 'direct'));
  const through = await mbsync(await chain.account('alice@example.com', tls), join(dir.path, 'through'));

  expect(through.size).toBe(COUNT);
  expect(through).toEqual(direct);
  for (let i = 0; i < COUNT; i += 1) {
    const delivered = { flags: 'S', hash: sha256(message(i).replaceAll('\r\n', '\n')) };
    expect(through.get(i + 1), `message ${i}`).toEqual(delivered);
  }
});
