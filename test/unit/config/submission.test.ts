// What users may send: the defaults, what may be written, and where it means nothing.

import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { renderConfig } from '../../../src/config/render.ts';
import { MASTER_PASSWORD, mistakes, parse, SMALL } from './example.ts';

/** The mistakes without their places. */
const told = (text: string) => mistakes(text).map((mistake) => mistake.replace(/^\S+ /, ''));

const mail = SMALL.replace('imap.internal:993', 'smtp.internal:465').replace(
  '    protocol: imap',
  '    protocol: smtp',
);
/** A configuration of one SMTP upstream and a route with these keys besides. */
const route = (more: string) => mail.replace('imap: dovecot', `smtp: dovecot${more}`);
const submission = (keys: string) => route(`, submission: { ${keys} }`);

describe('submission', () => {
  it('has a default for everything', () => {
    const expected = {
      senders: [],
      nullSender: false,
      maxSize: 52_428_800,
      maxRecipients: 100,
      bareNewlines: 'refuse',
      receivedHeader: false,
      perAppPassword: {
        messagesPerHour: 200,
        messagesPerDay: 1000,
        recipientsPerHour: 500,
        recipientsPerDay: 2000,
      },
      perUser: {
        messagesPerHour: 400,
        messagesPerDay: 2000,
        recipientsPerHour: 1000,
        recipientsPerDay: 4000,
      },
    };
    expect(parse(route('')).routes).toEqual([
      { users: '*@example.com', smtp: 'dovecot', submission: expected },
    ]);
    expect(parse(submission('perUser: {}')).routes[0]!.submission).toEqual(expected);
  });

  it('takes senders in any case, canonical from then on', () => {
    const senders = '["*", "*@Lists.Example.com", "Scanner@Example.COM", "*@b\u00fccher.example"]';
    expect(parse(submission(`senders: ${senders}`)).routes[0]!.submission!.senders).toEqual([
      '*',
      '*@lists.example.com',
      'scanner@example.com',
      '*@xn--bcher-kva.example',
    ]);
    for (const wrong of ['scanner', '*.example.com', 'a*@example.com', '@example.com', 'a b@example.com']) {
      expect(told(submission(`senders: ["${wrong}"]`))).toEqual([
        `routes[0].submission.senders[0]: is "${wrong}", must be "*", "*@domain" or "name@domain", in quotes`,
      ]);
    }
  });

  it('takes sizes', () => {
    const size = (text: string) => parse(submission(`maxSize: ${text}`)).routes[0]!.submission!.maxSize;
    expect([size('1KiB'), size('512KiB'), size('2048MiB')]).toEqual([1024, 524_288, 2_147_483_648]);
    for (const wrong of ['0KiB', '2049MiB', '50', '50MB', '1.5MiB', '-1KiB']) {
      expect(told(submission(`maxSize: ${wrong}`))).toEqual([
        `routes[0].submission.maxSize: is ${/^[\d.-]+$/.test(wrong) ? wrong : `"${wrong}"`}, must be a size from 1KiB to 2048MiB, such as 512KiB or 50MiB`,
      ]);
    }
  });

  it('means nothing without smtp', () => {
    expect(told(SMALL.replace('imap: dovecot', 'imap: dovecot, submission: {}'))).toEqual([
      'routes[0].submission: means nothing without smtp, must be left out',
    ]);
  });

  it('is printed as it would be written', () => {
    for (const maxSize of ['30MiB', '1000KiB']) {
      const config = parse(submission(`maxSize: ${maxSize}, senders: ["*"], bareNewlines: normalise`));
      const text = stringify(renderConfig(config)).replace('[secret]', MASTER_PASSWORD);
      expect(text).toContain(`maxSize: ${maxSize}`);
      expect(parse(text)).toEqual(config);
    }
  });
});

describe('authEquals', () => {
  const listener = (protocol: string) =>
    SMALL.replace('protocol: imap, address', `protocol: ${protocol}, address`).replace(
      'tls: implicit }',
      'tls: implicit, authEquals: true }',
    );

  it('is for SMTP only', () => {
    const config = parse(listener('smtp'));
    expect(config.listeners[0]!.authEquals).toBe(true);
    expect(parse(stringify(renderConfig(config)).replace('[secret]', MASTER_PASSWORD))).toEqual(config);
    expect(told(listener('imap'))).toEqual([
      'listeners[0].authEquals: means nothing with protocol: imap, must be left out',
    ]);
  });
});
