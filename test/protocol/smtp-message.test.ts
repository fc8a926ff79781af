// A message on the wire, from MAIL to the upstream's answer: what is relayed as it came, what Postern itself refuses, and how.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SmtpSetting, startSmtpSetting } from './smtp-setting.ts';

let postern: SmtpSetting;
beforeAll(async () => {
  postern = await startSmtpSetting({
    submission:
      '{ senders: ["scanner@example.com", "*@lists.example.com"], maxSize: 20KiB, maxRecipients: 5 }',
  });
});
afterAll(() => postern[Symbol.asyncDispose]());

const FROM = 'MAIL FROM:<alice@example.com>';
const TO = 'RCPT TO:<bob@example.net>';
const OK = '250 2.0.0 ok';
const GO_ON = '354 End data with <CR><LF>.<CR><LF>';

describe('relayed', () => {
  test('one message, step by step, and another', async () => {
    await using client = await postern.session();
    await client.send('EHLO pc\r\n');
    const lines = await client.expectUntil(/^250 /);
    expect(lines).toEqual([
      '250-mail.example.com',
      '250-PIPELINING',
      '250-8BITMIME',
      '250-SMTPUTF8',
      '250-DSN',
      '250-ENHANCEDSTATUSCODES',
      '250 SIZE 20480',
    ]);
    const seen = postern.upstream.messages.length;
    for (const text of ['one', '..two']) {
      await client.send(`${FROM}\r\n`);
      await client.expect(OK);
      await client.send(`${TO}\r\n`);
      await client.expect(OK);
      await client.send('DATA\r\n');
      await client.expect(GO_ON);
      await client.send(`Subject: x\r\n\r\n${text}\r\n.\r\n`);
      await client.expect(/^250 2\.0\.0 queued as \d+$/);
    }
    await client.send('QUIT\r\n');
    await client.expect('221 2.0.0 Bye');
    await client.closed();
    const [one, two] = postern.upstream.messages.slice(seen);
    expect(one!.envelope).toEqual([FROM, TO]);
    expect(one!.data.toString()).toBe('Subject: x\r\n\r\none');
    // Doubled dots stay doubled on this wire too.
    expect(two!.data.toString()).toBe('Subject: x\r\n\r\n..two');
  });

  test('all of it pipelined, in one piece with QUIT', async () => {
    await using client = await postern.session();
    await client.send(`${FROM}\r\n${TO}\r\nRCPT TO:<c@example.net>\r\nDATA\r\n`);
    for (let n = 0; n < 3; n++) await client.expect(OK);
    await client.expect(GO_ON);
    await client.send('x\r\n.\r\nNOOP\r\nQUIT\r\n');
    await client.expect(/^250 2\.0\.0 queued as/);
    await client.expect('250 2.0.0 OK');
    await client.expect('221 2.0.0 Bye');
    await client.closed();
  });

  test('one octet at a time', async () => {
    await using client = await postern.session();
    for (const octet of `${FROM}\r\n${TO}\r\n`) await client.send(octet);
    await client.expect(OK);
    await client.expect(OK);
    await client.send('DATA\r\n');
    await client.expect(GO_ON);
    for (const octet of 'one\r\n..\r\n.two\r\n.\r\n') await client.send(octet);
    await client.expect(/^250 2\.0\.0 queued as/);
    expect(postern.upstream.messages.at(-1)!.data.toString()).toBe('one\r\n..\r\n.two');
  });

  test('answers for each recipient come as they were given, several lines and all', async () => {
    await using other = await startSmtpSetting({
      script: {
        on: [
          [/^RCPT TO:<no@/, '550-5.1.1 first line\r\n550 5.1.1 <no@example.net>: nobody is called that\r\n'],
          [/^RCPT TO:<later@/, '450 4.2.0 greylisted, \u00e4h, later\r\n'],
          [/^RCPT TO:<away@/, '251 2.1.5 will forward\r\n'],
          [/^<message>/, '250-2.0.0 first\r\n250 2.0.0 Ok: queued as 4XyZ9q1Bcz\r\n'],
        ],
      },
    });
    for (const isPipelined of [true, false]) {
      await using client = await other.session();
      const commands = [FROM, ...['no', 'later', 'away', 'yes'].map((to) => `RCPT TO:<${to}@example.net>`)];
      const answers = [
        [OK],
        ['550-5.1.1 first line', '550 5.1.1 <no@example.net>: nobody is called that'],
        ['450 4.2.0 greylisted, \u00e4h, later'],
        ['251 2.1.5 will forward'],
        [OK],
      ];
      if (isPipelined) await client.send(commands.map((command) => `${command}\r\n`).join(''));
      for (const [n, command] of commands.entries()) {
        if (!isPipelined) await client.send(`${command}\r\n`);
        for (const line of answers[n]!) await client.expect(line);
      }
      await client.send('DATA\r\n');
      await client.expect(GO_ON);
      await client.send('x\r\n.\r\n');
      await client.expect('250-2.0.0 first');
      await client.expect('250 2.0.0 Ok: queued as 4XyZ9q1Bcz');
    }
    const [line] = other.events('message');
    expect(line).toMatchObject({
      level: 'info',
      user: 'alice@example.com',
      passwordId: other.passwordId,
      upstream: 'script',
      outcome: 'accepted',
      code: 250,
      enhancedCode: '2.0.0',
      queueId: '4XyZ9q1Bcz',
      size: 3,
      recipients: 2,
    });
    expect(JSON.stringify(line)).not.toContain('example.net');
    await other.metricIs(2, 'postern_messages_total', { upstream: 'script', outcome: 'accepted' });
    await other.metricIs(4, 'postern_message_recipients_total', { upstream: 'script' });
    await other.metricIs(2, 'postern_message_bytes_count');
  });

  test('parameters', async () => {
    await using client = await postern.session();
    await client.send(
      'MAIL FROM:<alice@example.com> SIZE=1000 body=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314+2B AUTH=<>\r\n',
    );
    await client.expect(OK);
    await client.send(
      'RCPT TO:<j\u00fcrgen@example.net> NOTIFY=SUCCESS,delay ORCPT=rfc822;j@example.net\r\n',
    );
    await client.expect(OK);
    // What the client says of who has logged in is nobody's word.
    expect(postern.upstream.lines.slice(-2)).toEqual([
      'MAIL FROM:<alice@example.com> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314+2B',
      'RCPT TO:<j\u00fcrgen@example.net> NOTIFY=SUCCESS,delay ORCPT=rfc822;j@example.net',
    ]);
  });

  test('paths as scanners write them', async () => {
    for (const [mail, rcpt] of [
      ['MAIL FROM:alice@example.com', 'RCPT TO:bob@example.net'],
      ['mail from: <ALICE@Example.COM>', 'rcpt to:  <bob@example.net>'],
      ['MAIL FROM: alice@example.com SIZE=5', 'RCPT TO: bob@example.net'],
      ['MAIL FROM:<@relay.example:alice@example.com>', 'RCPT TO:<@a,@b:"b > \\" o"@example.net>'],
      ['MAIL FROM:<alice@example.com>', 'RCPT TO:<postmaster>'],
      ['MAIL FROM:< alice@example.com >', 'RCPT TO:<\tbob@example.net\t>'],
      ['MAIL  FROM : <alice@example.com >\tSIZE=5 ', 'RCPT\tTO:< @a,@b:bob@example.net>'],
    ]) {
      await using client = await postern.session();
      await client.send(`${mail}\r\n`);
      await client.expect(OK);
      await client.send(`${rcpt}\r\n`);
      await client.expect(OK);
      expect(postern.upstream.lines.at(-2)).toMatch(/^MAIL FROM:<alice@example\.com>( SIZE=5)?$/i);
      expect(postern.upstream.lines.at(-1)).toMatch(
        /^RCPT TO:<(bob@example\.net|"b > \\" o"@example\.net|postmaster)>$/,
      );
    }
  });

  test.each([true, false])(
    'recipients that do not wait, to an upstream with PIPELINING: %s',
    async (isKnown) => {
      const answers: (() => void)[] = [];
      await using other = await startSmtpSetting({
        script: {
          extensions: ['AUTH PLAIN', ...(isKnown ? ['PIPELINING'] : [])],
          // Answers when it is told to.
          on: [
            [
              /^RCPT TO:<(\w)/,
              (upstream, [, name]) => {
                answers.push(() => upstream.write(`${name === 'b' ? '550 5.1.1' : '250 2.1.5'} ${name}\r\n`));
              },
            ],
          ],
        },
      });
      await using client = await other.session();
      const to = ['a', 'b', 'c'].map((name) => `RCPT TO:<${name}@example.net>\r\n`).join('');
      await client.send(`${FROM}\r\n${to}NOOP\r\n`);
      const asked = isKnown ? [3] : [1, 2, 3];
      for (const count of asked) {
        await expect.poll(() => answers.length).toBe(count);
        await client.quiet(50).catch(() => {});
        expect(answers.length).toBe(count);
        if (isKnown) for (const answer of answers) answer();
        else answers.at(-1)!();
      }
      for (const line of [OK, '250 2.1.5 a', '550 5.1.1 b', '250 2.1.5 c', '250 2.0.0 OK'])
        await client.expect(line);
    },
  );

  test('RSET, EHLO and an upstream RSET', async () => {
    await using client = await postern.session();
    await client.send('RSET\r\n');
    await client.expect('250 2.0.0 OK');
    expect(postern.upstream.lines.at(-1)).not.toBe('RSET');
    for (const reset of ['RSET', 'EHLO pc', 'HELO pc']) {
      await client.send(`${FROM}\r\n`);
      await client.expect(OK);
      await client.send(`${reset}\r\n`);
      await client.expectUntil(/^250 /);
      expect(postern.upstream.lines.at(-1)).toBe('RSET');
      await client.send(`${TO}\r\n`);
      await client.expect('503 5.5.1 MAIL first');
    }
  });
});

describe('out of order', () => {
  test.each<[string, readonly string[], string]>([
    ['MAIL twice', [FROM], FROM],
    ['RCPT first', [], TO],
    ['DATA first', [], 'DATA'],
    ['DATA without a recipient', [FROM], 'DATA'],
    ['DATA with an argument', [FROM, TO], 'DATA now'],
    ['XCLIENT', [], 'XCLIENT LOGIN=bob@example.com'],
    ['XFORWARD', [], 'XFORWARD ADDR=192.0.2.1'],
    ['EXPN', [], 'EXPN list'],
    ['ETRN', [], 'ETRN example.com'],
    ['nonsense', [], 'FOO'],
    ['a control character', [], 'MAIL FROM:<alice\u0001@example.com>'],
    ['a CR in the middle', [FROM], 'RCPT TO:<bob@example.net>\rRCPT TO:<c@example.net>'],
    ['no path', [], 'MAIL FROM:'],
    ['no colon', [], 'MAIL FROM <alice@example.com>'],
    ['an open bracket', [], 'MAIL FROM:<alice@example.com'],
    ['a second path', [FROM], 'RCPT TO:<a@b.example><c@d.example>'],
    ['a space in a path', [FROM], 'RCPT TO:<a b@example.net>'],
    ['a space before the @', [FROM], 'RCPT TO:< a @example.net >'],
    ['a path behind a path', [FROM], 'RCPT TO:<a@example.net > <b@example.net>'],
    ['a no-break space in a path', [FROM], 'RCPT TO:<a@example.net\u00a0>'],
    ['a command behind white space', [FROM], 'RCPT TO:<a@example.net > DATA'],
    ['a parameter without white space', [], 'MAIL FROM:<alice@example.com >SIZE=5'],
    ['white space that is no address', [FROM], 'RCPT TO:<\t >'],
    ['no recipient', [FROM], 'RCPT TO:<>'],
    ['an unknown parameter', [], 'MAIL FROM:<alice@example.com> FOO=1'],
    ['a parameter twice', [], 'MAIL FROM:<alice@example.com> SIZE=1 SIZE=2'],
    ['a value that is none', [], 'MAIL FROM:<alice@example.com> SIZE=x'],
    ['a CR LF in xtext', [], 'MAIL FROM:<alice@example.com> ENVID=a+0D+0Ab'],
    ['no xtext', [FROM], 'RCPT TO:<a@example.net> ORCPT=rfc822;a+zz'],
    ['a CR LF in an address in xtext', [FROM], 'RCPT TO:<a@example.net> ORCPT=rfc822;a+0D+0A'],
    ['BINARYMIME', [], 'MAIL FROM:<alice@example.com> BODY=BINARYMIME'],
    ['no SMTPUTF8', [FROM], 'RCPT TO:<j\u00fcrgen@example.net>'],
  ])('%s: an error, which goes no further', async (_, before, command) => {
    await using client = await postern.session();
    for (const line of before) {
      await client.send(`${line}\r\n`);
      await client.expect(OK);
    }
    const seen = postern.upstream.lines.length;
    await client.send(`${command}\r\n`);
    await client.expect(/^(50[0123]|55[345]) 5\.\d\.\d /);
    expect(postern.upstream.lines.slice(seen)).toEqual([]);
    await client.send('NOOP\r\n');
    await client.expect('250 2.0.0 OK');
  });

  test('twenty errors end it', async () => {
    await using client = await postern.session();
    await client.send('FOO\r\n'.repeat(20));
    for (let n = 0; n < 20; n++) await client.expect(/^500 /);
    await client.expect('421 4.7.0 Too many errors');
    await client.closed();
  });
});

describe('policy', () => {
  test.each([
    ['alice@example.com', true],
    ['ALICE@EXAMPLE.com', true],
    ['scanner@example.com', true],
    ['anything=at+all@lists.example.com', true],
    ['bob@example.com', false],
    ['alice@example.com.evil.example', false],
    ['alice@sub.lists.example.com', false],
    ['"alice"@example.com', false],
    ['alice', false],
    ['', false],
  ])('sender <%s>: %s', async (sender, isAllowed) => {
    await using client = await postern.session();
    await client.send(`MAIL FROM:<${sender}>\r\n`);
    if (isAllowed) {
      await client.expect(OK);
      return;
    }
    const seen = postern.upstream.lines.length;
    await client.expect(
      sender === ''
        ? '553 5.7.1 The empty sender address is not allowed here'
        : '553 5.7.1 Sender address not allowed for this login',
    );
    expect(postern.upstream.lines.slice(seen)).toEqual([]);
    expect(postern.events('submission_refused').at(-1)).toMatchObject({
      user: 'alice@example.com',
      sender,
      reason: sender === '' ? 'null_sender' : 'sender',
    });
  });

  test('the empty sender and a Received field, where the config wants them', async () => {
    await using other = await startSmtpSetting({
      submission: '{ nullSender: true, receivedHeader: true, senders: ["*"] }',
    });
    await using client = await other.session();
    await client.send(`MAIL FROM:<>\r\n${TO}\r\nDATA\r\n`);
    await client.expect(OK);
    await client.expect(OK);
    await client.expect(GO_ON);
    await client.send('Subject: x\r\n\r\ny\r\n.\r\n');
    await client.expect(/^250 /);
    const { data } = other.upstream.messages[0]!;
    expect(data.toString()).toMatch(
      /^Received: from \[127\.0\.0\.1\]\r\n\tby mail\.example\.com with ESMTPSA id [\w-]+\r\n\t\(authenticated as alice@example\.com\);\r\n\t\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000\r\nSubject: x\r\n\r\ny$/,
    );
    await client.send('MAIL FROM:<whoever@elsewhere.example>\r\n');
    await client.expect(OK);
  });

  test('a device that has gone wild does not fill the log', async () => {
    await using other = await startSmtpSetting();
    await using client = await other.session();
    await client.send('MAIL FROM:<eve@example.com>\r\n'.repeat(300));
    for (let n = 0; n < 300; n++) await client.expect(/^553 5\.7\.1 /);
    const levels = other.events('submission_refused').map(({ level }) => level);
    expect(levels.filter((level) => level === 'warn')).toHaveLength(20);
    expect(levels.filter((level) => level === 'debug')).toHaveLength(280);
    await other.metricIs(300, 'postern_submission_refusals_total', { reason: 'sender' });
  });

  test('more recipients than there may be', async () => {
    await using client = await postern.session();
    await client.send(`${FROM}\r\n${`${TO}\r\n`.repeat(7)}DATA\r\n`);
    for (let n = 0; n < 6; n++) await client.expect(OK);
    await client.expect('452 4.5.3 Too many recipients');
    await client.expect('452 4.5.3 Too many recipients');
    await client.expect(GO_ON);
    await client.send('x\r\n.\r\n');
    await client.expect(/^250 /);
    expect(postern.upstream.messages.at(-1)!.envelope).toHaveLength(6);
  });

  test('too large, and says so: refused before it is read', async () => {
    await using client = await postern.session();
    await client.send('MAIL FROM:<alice@example.com> SIZE=20481\r\n');
    await client.expect('552 5.3.4 Message too large');
    await client.send('MAIL FROM:<alice@example.com> SIZE=99999999999999999999\r\n');
    await client.expect('552 5.3.4 Message too large');
    await client.send('MAIL FROM:<alice@example.com> SIZE=20480\r\n');
    await client.expect(OK);
  });

  test('too large, and says nothing: read to its end, and not delivered; the next one is', async () => {
    const seen = postern.upstream.messages.length;
    await using client = await postern.session();
    await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
    await client.expect(OK);
    await client.expect(OK);
    await client.expect(GO_ON);
    await client.send(`${`${'x'.repeat(98)}\r\n`.repeat(1000)}.\r\n`);
    await client.expect('552 5.3.4 Message too large');
    await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
    await client.expect(OK);
    await client.expect(OK);
    await client.expect(GO_ON);
    await client.send('small\r\n.\r\n');
    await client.expect(/^250 /);
    expect(postern.upstream.messages.slice(seen).map(({ data }) => data.toString())).toEqual(['small']);
    expect(postern.events('message').at(-2)).toMatchObject({ outcome: 'refused_here', code: null });
  });
});

describe('line ends', () => {
  const VARIANTS = [
    '\n.\n',
    '\r.\r',
    '\n.\r\n',
    '\r\n.\n',
    '\r\n.\r\r\n',
    '\r\n.\r',
    '\n',
    '\r',
    '\r\n\0.\r\n',
  ];
  const SMUGGLED = 'MAIL FROM:<evil@example.com>\r\nRCPT TO:<c@example.net>\r\nDATA\r\nboo\r\n.\r\n';

  test.each(VARIANTS.map((variant) => [JSON.stringify(variant), variant]))(
    'refused: %s, whole and in single octets; the next message is delivered',
    async (_, variant) => {
      const seen = { messages: postern.upstream.messages.length, lines: postern.upstream.lines.length };
      await using client = await postern.session();
      for (const pieces of [[`a${variant}${SMUGGLED}`], [...`a${variant}${SMUGGLED}`]]) {
        await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
        await client.expect(OK);
        await client.expect(OK);
        await client.expect(GO_ON);
        for (const piece of pieces) await client.send(piece);
        await client.expect(/^550 5\.6\.0 /);
      }
      await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
      await client.expect(OK);
      await client.expect(OK);
      await client.expect(GO_ON);
      await client.send('fine\r\n.\r\n');
      await client.expect(/^250 /);
      expect(postern.upstream.messages.slice(seen.messages).map(({ data }) => data.toString())).toEqual([
        'fine',
      ]);
      expect(postern.upstream.lines.slice(seen.lines).join()).not.toContain('evil');
    },
  );

  test.each(['refuse', 'normalise'])(
    'any mixture of them (%s): one message or none, of lines that end in CR LF',
    async (policy) => {
      await using other = await startSmtpSetting({ submission: `{ bareNewlines: ${policy} }` });
      const part = fc.constantFrom(
        '\r\n',
        '\r',
        '\n',
        '.',
        '\r\n.',
        '.\r',
        'a',
        '\0',
        'RCPT TO:<evil@example.net>\r\n',
      );
      const pieces = fc.array(fc.array(part, { maxLength: 6 }), { maxLength: 5 });
      await fc.assert(
        fc.asyncProperty(pieces, async (parts) => {
          const sent = parts.map((piece) => piece.join(''));
          fc.pre(!`\r\n${sent.join('')}\r\n`.includes('\r\n.\r\n'));
          const seen = other.upstream.messages.length;
          await using client = await other.session();
          await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
          await client.expect(OK);
          await client.expect(OK);
          await client.expect(GO_ON);
          for (const piece of sent) await client.send(piece);
          await client.send('\r\n.\r\n');
          const [, code] = await client.expect(/^(250|550) /);
          await client.send('QUIT\r\n');
          await client.expect('221 2.0.0 Bye');
          const messages = other.upstream.messages.slice(seen);
          expect(messages).toHaveLength(code === '250' ? 1 : 0);
          for (const { data, envelope } of messages) {
            expect(envelope).toEqual([FROM, TO]);
            expect(data.toString('latin1')).not.toMatch(/\r(?!\n)|(?<!\r)\n|\0|(^|\n)\.(\r|$)/);
          }
        }),
        { numRuns: 60 },
      );
      expect(other.upstream.lines.join()).not.toContain('evil');
    },
  );

  describe.each(['refuse', 'normalise'])('bareNewlines: %s', (policy) => {
    let impatient: SmtpSetting;
    beforeAll(async () => {
      impatient = await startSmtpSetting({
        submission: `{ bareNewlines: ${policy} }`,
        // What seems to be ended wrongly has half of it.
        config: 'limits: { idle: 2s }',
      });
    });
    afterAll(() => impatient[Symbol.asyncDispose]());

    test.each([
      ['LF . LF', 'Subject: scan\n\npage 1\n.\n'],
      ['CR . CR', 'Subject: scan\r\rpage 1\r.\r'],
      ['LF . CR LF', 'Subject: scan\n\npage 1\n.\r\n'],
      ['CR LF . LF', 'Subject: scan\r\n\r\npage 1\r\n.\n'],
      ['CR LF . CR CR LF', 'Subject: scan\r\n\r\npage 1\r\n.\r\r\n'],
      ['. LF alone', '.\n'],
      ['LF . LF and QUIT', 'Subject: scan\n\npage 1\n.\nQUIT\n'],
    ])('a message that seems to be ended by %s and nothing more: 550, and the end', async (_, data) => {
      const { length } = impatient.upstream.messages;
      const told = impatient
        .events('submission_refused')
        .filter(({ reason }) => reason === 'wrong_end').length;
      await using client = await impatient.session();
      await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
      await client.expect(OK);
      await client.expect(OK);
      await client.expect(GO_ON);
      await client.send(data);
      await client.expect(
        '550 5.6.0 The message has no end that could be taken for one: it is <CR><LF>.<CR><LF>, …',
      );
      await client.closed();
      expect(impatient.upstream.messages.length).toBe(length);
      const refusals = impatient.events('submission_refused').filter(({ reason }) => reason === 'wrong_end');
      expect(refusals.length).toBe(told + 1);
      expect(refusals.at(-1)?.msg).toContain('LF dot LF');
      expect(impatient.events('message').at(-1)).toMatchObject({ outcome: 'refused_here' });
      expect(impatient.events('session').at(-1)).toMatchObject({ reason: 'client_error' });
    });

    test('if more comes in time it was none, and is not taken for one', async () => {
      await using client = await impatient.session();
      await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
      await client.expectUntil(GO_ON);
      await client.send('Subject: scan\n\npage 1\n.\n');
      await client.quiet(200);
      await client.send('page 2\r\n.\r\n');
      await client.expect(policy === 'refuse' ? /^550 5\.6\.0 .*bare CR or LF/ : /^250 /);
      await client.send('QUIT\r\n');
      await client.expect('221 2.0.0 Bye');
    });

    test('half of the right end is no wrong one: the rest is waited for as ever', async () => {
      await using client = await impatient.session();
      await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
      await client.expectUntil(GO_ON);
      await client.send('Subject: scan\r\n\r\n.\r');
      await client.expect('421 4.4.2 Nothing was heard for too long');
      await client.closed();
    });
  });

  test('normalised, where the config wants it: one message, of lines that end in CR LF', async () => {
    await using other = await startSmtpSetting({ submission: '{ bareNewlines: normalise }' });
    await using client = await other.session();
    for (const variant of VARIANTS.filter((one) => !one.includes('\0'))) {
      await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
      await client.expect(OK);
      await client.expect(OK);
      await client.expect(GO_ON);
      await client.send(`a${variant}${SMUGGLED}`);
      await client.expect(/^250 /);
      const data = other.upstream.messages.at(-1)!.data.toString();
      expect(data).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
      expect(data).toMatch(
        /^a\r\n.*MAIL FROM:<evil@example\.com>\r\nRCPT TO:<c@example\.net>\r\nDATA\r\nboo$/s,
      );
    }
    expect(other.upstream.lines.join()).not.toContain('evil');
  });
});
