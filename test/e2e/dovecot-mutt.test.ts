// mutt, typing: it reads the mailbox through Postern, sends a message whose copy it appends there, flags one and deletes one.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { curl, mutt } from '../support/mail-clients.ts';
import { message } from '../support/mail-message.ts';
import { startPosternBeforeDovecot } from '../support/postern-before-dovecot.ts';
import { tempDir } from '../support/temp-dir.ts';

test.each(['implicit', 'starttls'] as const)('mutt, %s', async (tls) => {
  await using chain = await startPosternBeforeDovecot();
  using dir = tempDir();
  chain.dovecot.deliver('alice@example.com', 3, message);
  const account = await chain.account('alice@example.com', tls);
  const copies = join(dir.path, 'copies');

  await mutt(account, dir.path, {
    keys: `<tag-pattern>~A<enter><tag-prefix><copy-message>${copies}<enter><quit>`,
  });
  const copied = readFileSync(copies, 'utf8');
  for (const i of [0, 1, 2]) {
    const body = message(i).replaceAll('\r\n', '\n').split('\n\n').slice(1).join('\n\n');
    expect(copied).toContain(body);
  }

  // The mail goes nowhere, the copy for the record goes to the mailbox by APPEND.
  const draft = join(dir.path, 'draft');
  writeFileSync(draft, 'written in mutt\n');
  await mutt(account, dir.path, {
    settings: `set sendmail = /bin/true\nset record = =INBOX\nset editor = "cp ${draft}"`,
    keys: '<mail>bob@example.com<enter>from mutt<enter><send-message><quit>',
  });
  expect((await curl(account, 'INBOX', '--request', 'SEARCH SUBJECT "from mutt"')).stdout).toMatch(
    /SEARCH 4/,
  );

  await mutt(account, dir.path, {
    keys: '<first-entry><flag-message><last-entry><delete-message><sync-mailbox><quit>',
  });
  expect((await curl(account, 'INBOX', '--request', 'SEARCH FLAGGED')).stdout).toMatch(/SEARCH 1\r\n/);
  expect((await curl(account, 'INBOX', '--request', 'SEARCH ALL')).stdout).toMatch(/SEARCH 1 2 3\r\n/);
});
