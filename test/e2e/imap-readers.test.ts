// Programs that copy a mailbox, from Debian, through Postern to a real Dovecot: what they store is what was delivered, byte for byte.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { java } from '../support/java-client.ts';
import type { Account } from '../support/mail-clients.ts';
import { message } from '../support/mail-message.ts';
import { fetchmail, getmail, type MailboxReader, offlineimap } from '../support/mailbox-readers.ts';
import { type Chain, startPosternBeforeDovecot } from '../support/postern-before-dovecot.ts';
import { script } from '../support/scripts.ts';
import { ledger } from '../support/secrets-ledger.ts';

const COUNT = 5;
const USER = 'alice@example.com';
const delivered = Array.from({ length: COUNT }, (_, i) => Buffer.from(message(i)).toString('latin1'));
const inLf = (text: string) => text.replaceAll('\r\n', '\n');

let chain: Chain;
const accounts = new Map<Account['tls'], Account>();
beforeAll(async () => {
  chain = await startPosternBeforeDovecot();
  chain.dovecot.deliver(USER, COUNT, message);
  for (const tls of ['implicit', 'starttls'] as const) accounts.set(tls, await chain.account(USER, tls));
});
afterAll(() => chain?.[Symbol.asyncDispose]());

test.each<[string, Account['tls'], MailboxReader]>([
  ['fetchmail', 'implicit', fetchmail],
  ['fetchmail', 'starttls', fetchmail],
  ['getmail6', 'implicit', getmail],
  ['offlineimap3', 'implicit', offlineimap],
])('%s, %s TLS', async (_, tls, read) => {
  const stored = await read(accounts.get(tls)!);
  expect(stored.map(inLf).toSorted()).toEqual(delivered.map(inLf).toSorted());
});

test.each<[string, MailboxReader]>([
  ['fetchmail', fetchmail],
  ['getmail6', getmail],
  ['offlineimap3', offlineimap],
])('%s ends with an error if the app password is wrong', async (_, read) => {
  const wrong = { ...accounts.get('implicit')!, password: ledger('wrn9 appp assw rrdx') };
  await expect(read(wrong)).rejects.toThrow(/exit [1-9]/);
});

describe('as a module of a language', () => {
  /** Prints the subjects of INBOX, a line each, then what became of a wrong password. */
  const expected = `${delivered.map((_, i) => `message ${i}\n`).join('')}refused\n`;
  const facts = (tls: Account['tls']) => ({ ...accounts.get(tls)!, wrong: ledger('wrn8 appp assw rrdx') });

  // Its library (c-client) speaks nothing newer than TLS 1.0 after STARTTLS.
  test('PHP’s imap extension', async () => {
    const text = `<?php
$facts = json_decode(stream_get_contents(STDIN));
$server = "{localhost:$facts->port/imap/ssl/validate-cert}INBOX";
$mailbox = imap_open($server, $facts->user, $facts->password, 0, 1) or die(imap_last_error());
foreach (imap_fetch_overview($mailbox, '1:*') as $mail) echo $mail->subject, "\\n";
imap_close($mailbox);
$wrong = @imap_open($server, $facts->user, $facts->wrong, 0, 1);
echo $wrong === false && str_contains(implode(' ', imap_errors()), 'failed') ? "refused\\n" : "?\\n";
`;
    const env = { SSL_CERT_FILE: accounts.get('implicit')!.caFile };
    expect(await script('php', text, facts('implicit'), { env })).toMatchObject({
      code: 0,
      stdout: expected,
    });
  });

  test.each(['implicit', 'starttls'] as const)('Perl’s Mail::IMAPClient, %s TLS', async (tls) => {
    const text = `
use strict; use JSON::PP; use IO::Socket::SSL; use Mail::IMAPClient;
my $facts = decode_json(join '', <STDIN>);
my @ssl = (SSL_ca_file => $facts->{caFile}, SSL_verify_mode => SSL_VERIFY_PEER, SSL_hostname => 'localhost');
sub client {
  my ($password) = @_;
  return Mail::IMAPClient->new(Server => 'localhost', Port => $facts->{port}, User => $facts->{user}, Password => $password,
    $facts->{tls} eq 'implicit' ? (Ssl => [@ssl]) : (Starttls => [@ssl]));
}
my $imap = client($facts->{password}) or die $@;
$imap->select('INBOX') or die $imap->LastError;
print $imap->subject($_), "\\n" for $imap->messages;
$imap->logout;
print client($facts->{wrong}) ? '?' : $@ =~ /AUTHENTICATIONFAILED/ ? 'refused' : $@, "\\n";
`;
    expect(await script('perl', text, facts(tls))).toMatchObject({ code: 0, stdout: expected });
  });

  test.each(['implicit', 'starttls'] as const)('JavaMail, %s TLS', async (tls) => {
    const main = `
    var protocol = fact("tls").equals("implicit") ? "imaps" : "imap";
    var properties = new Properties();
    properties.put("mail." + protocol + ".ssl.socketFactory", tls());
    properties.put("mail." + protocol + ".ssl.checkserveridentity", "true");
    properties.put("mail.imap.starttls.enable", "true");
    properties.put("mail.imap.starttls.required", "true");
    for (var password : List.of("password", "wrong")) {
      try (var mailbox = Session.getInstance(properties).getStore(protocol)) {
        mailbox.connect("localhost", Integer.parseInt(fact("port")), fact("user"), fact(password));
        var inbox = mailbox.getFolder("INBOX");
        inbox.open(Folder.READ_ONLY);
        for (var message : inbox.getMessages()) System.out.println(message.getSubject());
      } catch (AuthenticationFailedException refused) {
        System.out.println("refused");
      }
    }
`;
    expect(await java({ imports: ['javax.mail.*'], main }, facts(tls))).toMatchObject({
      code: 0,
      stdout: expected,
    });
  });
});

test('no wrong guess reached Dovecot', async () => {
  await chain.postern.logged(/"verdict":"refused"/);
  await chain.dovecot.logged(/Login: user=<alice@example\.com>/);
  expect(chain.dovecot.log()).not.toMatch(/auth failed|Login aborted|Password mismatch/i);
});
