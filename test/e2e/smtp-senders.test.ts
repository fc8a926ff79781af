// More programs that send mail, from Debian, through Postern to a real Postfix: nullmailer, s-nail, PHPMailer, JavaMail.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { javaMail, nullmailer, phpMailer, type Sender, snail } from '../support/mail-senders.ts';
import { type SmtpChain, startPosternBeforePostfix } from '../support/postern-before-postfix.ts';
import { ledger } from '../support/secrets-ledger.ts';
import type { SmtpAccount } from '../support/smtp-clients.ts';

const USER = 'alice@example.com';
const SENDERS: readonly (readonly [string, Sender])[] = [
  ['nullmailer, AUTH PLAIN', nullmailer()],
  ['nullmailer, AUTH LOGIN', nullmailer(['auth-login'])],
  ['s-nail', snail],
  ['PHPMailer', phpMailer],
  ['JavaMail', javaMail],
];

let chain: SmtpChain;
let device: SmtpAccount;
beforeAll(async () => {
  chain = await startPosternBeforePostfix();
  device = await chain.account(USER);
});
afterAll(() => chain?.[Symbol.asyncDispose]());

let count = 0;
function letter() {
  count += 1;
  return {
    from: USER,
    to: 'bob@example.org',
    subject: `letter-${process.pid}-${count}`,
    body: 'first line\n.\n..two dots\nlast line\n',
  };
}

describe.each(['implicit', 'starttls'] as const)('%s TLS', (tls) => {
  test.each(SENDERS)('%s', async (_, send) => {
    const mail = letter();
    const port = chain.ports[tls === 'implicit' ? 'submissions' : 'smtp'];
    expect(await send({ ...device, tls, port }, mail)).toBe(0);
    const found = () =>
      chain.postfix.sink.messages.filter(({ data }) => data.includes(`Subject: ${mail.subject}\r\n`));
    await expect.poll(() => found().length).toBe(1);
    const [{ envelope, data }] = found() as [{ envelope: readonly string[]; data: Buffer }];
    expect(envelope[0]).toMatch(/^MAIL FROM:<alice@example\.com>/);
    expect(envelope.slice(1).map((line) => line.split(' ')[1])).toEqual(['TO:<bob@example.org>']);
    const raw = data.toString('latin1');
    // As it went over the wire, dots doubled (RFC 5321 §4.5.2); the sink leaves out the line end before the last dot.
    expect(raw.slice(raw.indexOf('\r\n\r\n') + 4).trimEnd()).toBe(
      'first line\r\n..\r\n...two dots\r\nlast line',
    );
  });
});

test.each(SENDERS)('%s ends with an error if the app password is wrong', async (_, send) => {
  const mail = letter();
  const wrong = {
    ...device,
    tls: 'implicit',
    port: chain.ports.submissions,
    password: ledger('wrn7 appp assw rrdx'),
  };
  const refusals = () => chain.postern.events().filter(({ reason }) => reason === 'bad_credentials').length;
  const before = refusals();
  expect(await send(wrong as SmtpAccount, mail)).not.toBe(0);
  // It is the server's word that ends it, not a mistake in what it was given.
  await expect.poll(refusals).toBeGreaterThan(before);
  expect(chain.postfix.log()).not.toContain(mail.subject);
  expect(chain.postfix.sink.messages.filter(({ data }) => data.includes(mail.subject))).toEqual([]);
});
