// A client that ends TLS (close_notify) and leaves its TCP connection open, waiting for the other side's close_notify and FIN, as whoever
// goes back to plaintext does. Both come at once, before login and after it, long before a deadline.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Setting, startSetting } from '../protocol/postern-before-script.ts';
import { type SmtpSetting, startSmtpSetting } from '../protocol/smtp-setting.ts';
import { script } from '../support/scripts.ts';

/** Prints `ended` when both sides have ended TLS, and `closed` when the connection is. Gives up after 20 s. */
const CLIENT = `
import json, socket, ssl, sys
facts = json.load(sys.stdin)
raw = socket.create_connection(('127.0.0.1', facts['port']), timeout=20)
def read(sock):
    line = b''
    while not line.endswith(b'\\n'):
        octet = sock.recv(1)
        if not octet: raise SystemExit('closed early')
        line += octet
    return line
read(raw)
raw.sendall(facts['startTls'].encode() + b'\\r\\n')
read(raw)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, facts['version'])
tls = context.wrap_socket(raw)
if facts['login']:
    tls.sendall(facts['login'].encode() + b'\\r\\n')
    read(tls)
raw = tls.unwrap()
print('ended')
raw.settimeout(20)
while raw.recv(100): pass
print('closed')
`;

describe.each(['TLSv1_2', 'TLSv1_3'])('%s', (version) => {
  let imap: Setting;
  let smtp: SmtpSetting;
  beforeAll(async () => {
    [imap, smtp] = await Promise.all([startSetting(), startSmtpSetting()]);
  });
  afterAll(async () => {
    await imap?.[Symbol.asyncDispose]();
    await smtp?.[Symbol.asyncDispose]();
  });

  test.each([
    ['IMAP before login', () => ({ port: imap.ports.imap, startTls: 'a STARTTLS', login: '' })],
    [
      'IMAP after login',
      () => ({ port: imap.ports.imap, startTls: 'a STARTTLS', login: `b LOGIN alice ${imap.password}` }),
    ],
    ['SMTP before login', () => ({ port: smtp.ports.submission, startTls: 'STARTTLS', login: '' })],
  ])('%s', async (_, facts) => {
    const { stdout, stderr } = await script('python3', CLIENT, { version, ...facts() });
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual(['ended', 'closed']);
  });
});
