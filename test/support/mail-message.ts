// Messages for tests, the same for the same number, so that what comes out can be compared with what went in.

import { createHash } from 'node:crypto';

/** Message `i` of a mailbox, CR LF: plain, 8-bit, with dots, long lines and base64 in turn; about 1 to 9 kB. */
export function message(i: number): string {
  const lines = [
    `From: Sender ${i} <sender${i}@example.net>`,
    'To: alice@example.com',
    `Subject: message ${i}`,
    `Message-ID: <${i}@postern.test>`,
    'Date: Mon, 02 Jan 2023 10:00:00 +0000',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    'Grüße, zażółć gęślą jaźń, こんにちは',
    '.',
    '..a line of dots, then IMAP in a body:',
    `a${i} OK {5}`,
    `* BYE ${i}`,
    '',
    'x'.repeat((i % 10) * 90),
    ...base64Lines(`message ${i}`, 10 + (i % 100)),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** A message of `megabytes` (of 1,000,000 bytes) or a little more, CR LF, that does not compress. */
export function largeMessage(megabytes: number): Buffer {
  const head = 'From: big@example.net\r\nTo: alice@example.com\r\nSubject: large\r\n\r\n';
  const lines = base64Lines('large', Math.ceil((megabytes * 1_000_000) / 78));
  return Buffer.from(`${head}${lines.join('\r\n')}\r\n`);
}

/** Lines of 76 characters of noise that depends on `seed` only. */
function base64Lines(seed: string, count: number): string[] {
  const bytes = createHash('shake256', { outputLength: count * 57 })
    .update(seed)
    .digest();
  const lines: string[] = [];
  for (let i = 0; i < count; i += 1) lines.push(bytes.subarray(i * 57, (i + 1) * 57).toString('base64'));
  return lines;
}

/** SHA-256 in hexadecimal. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
