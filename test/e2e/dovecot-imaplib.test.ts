// Python's imaplib reads the capabilities once, after connecting, and goes by that list for good: without ENABLE in it, `enable()` fails
// before a byte is sent, and a program that looks for IDLE there never pushes. Through Postern to a real Dovecot, before and after logins.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Account } from '../support/mail-clients.ts';
import { type Chain, startPosternBeforeDovecot } from '../support/postern-before-dovecot.ts';
import { script } from '../support/scripts.ts';

let chain: Chain;
beforeAll(async () => {
  chain = await startPosternBeforeDovecot();
});
afterAll(() => chain?.[Symbol.asyncDispose]());

const PROGRAM = `
import imaplib, json, ssl, sys
facts = json.load(sys.stdin)
context = ssl.create_default_context(cafile=facts['caFile'])
if facts['tls'] == 'implicit':
    client = imaplib.IMAP4_SSL('localhost', facts['port'], ssl_context=context)
else:
    client = imaplib.IMAP4('localhost', facts['port'])
    client.starttls(context)
print(*client.capabilities)
client.login(facts['user'], facts['password'])
print(*client.capabilities)
print(client.enable('CONDSTORE'))
client.select()
# What a program does that pushes if it may.
if 'IDLE' in client.capabilities:
    client.send(b'x1 IDLE\\r\\n')
    print(client.readline().decode().strip())
    client.send(b'DONE\\r\\n')
    while not (line := client.readline().decode()).startswith('x1 '): pass
    print(line.split(' ')[1])
client.logout()
`;

/** What it printed, line by line. */
async function imaplib(account: Account): Promise<string[]> {
  const { code, stdout, stderr } = await script('python3', PROGRAM, account);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trim().split('\n');
}

test.each(['implicit', 'starttls'] as const)(
  '%s: enables and pushes with the first list that it heard',
  async (tls) => {
    const [first, kept, enabled, push, done] = await imaplib(await chain.account('alice@example.com', tls));
    expect(first!.split(' ')).toEqual(expect.arrayContaining(['IDLE', 'ENABLE', 'AUTH=PLAIN']));
    expect(kept).toBe(first);
    expect(enabled).toMatch(/^\('OK', /);
    expect(push).toMatch(/^\+ /);
    expect(done).toBe('OK');
  },
);

test('when two users have logged in, it hears of all that Dovecot can do after login and that may be told', async () => {
  for (const user of ['alice@example.com', 'bob@example.com']) await imaplib(await chain.account(user));
  const [first] = await imaplib(await chain.account('alice@example.com'));
  expect(first!.split(' ').slice(6)).toEqual(
    'IDLE ENABLE NAMESPACE UNSELECT CHILDREN UIDPLUS MOVE LIST-EXTENDED LIST-STATUS ESEARCH SORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS CONDSTORE QRESYNC WITHIN BINARY'.split(
      ' ',
    ),
  );
});
