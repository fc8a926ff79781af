// Command lines: whatever octets come, nothing throws, nothing takes long, and what is let through cannot become a second
// command or a second path upstream. Three worst things: a CR or LF in a path; an angle bracket in one; a quote without an end.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isAscii,
  looksLikeHttp,
  parseCommand,
  parseMailbox,
  parsePathArgument,
} from '../../../../src/protocols/smtp/wire.ts';

const octets = fc.oneof(
  fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array)),
  fc
    .array(
      fc.constantFrom(
        'MAIL ',
        'FROM:',
        'from :',
        '<',
        '>',
        '"',
        '\\',
        '@',
        ':',
        ',',
        ' ',
        '\t',
        '\r',
        '\n',
        '\0',
        'a',
        'ü',
        '=',
        'SIZE=1',
      ),
      { maxLength: 20 },
    )
    .map((parts) => Buffer.from(parts.join(''))),
);

test('no octets make a command throw, and no control character gets through', () => {
  fc.assert(
    fc.property(octets, (line) => {
      const command = parseCommand(line);
      looksLikeHttp(line);
      if (command === undefined) return;
      expect(command.verb).toBe(command.verb.toUpperCase());
      expect(`${command.verb}${command.rest}`).not.toMatch(/[\0-\x08\x0a-\x1f\x7f]/);
    }),
    { numRuns: 2000 },
  );
});

test('a path that is let through is one path: brackets and spaces in it are quoted', () => {
  fc.assert(
    fc.property(octets, (rest) => {
      const command = parseCommand(Buffer.concat([Buffer.from('MAIL FROM:'), rest]));
      if (command === undefined) return;
      const argument = parsePathArgument('FROM', command.rest);
      if (argument === undefined) return;
      const line = `FROM:<${argument.path}>`;
      // Read again it is the same, whoever reads it.
      expect(parsePathArgument('FROM', line)?.path).toBe(argument.path);
      expect(argument.path.replace(/"(?:[^"\\]|\\.)*"/g, '')).not.toMatch(/[<> \t"]/);
      for (const [keyword, value] of argument.parameters) {
        expect(keyword).toMatch(/^[A-Z0-9][A-Z0-9-]*$/);
        expect(value ?? 'x').toMatch(/^[^ =\t]+$/);
      }
    }),
    { numRuns: 3000, examples: [[Buffer.from('@:@')], [Buffer.from('<@a:@b:c@d>')]] },
  );
});

test('long nonsense is refused in no time', () => {
  // Of this process alone: the machine has other work, too.
  const before = process.cpuUsage();
  for (const piece of ['<', '"', '\\', '@a,', ' ', 'a=', '<@a:', '"\\']) {
    parsePathArgument('FROM', `FROM:${piece.repeat(12_000)}`);
    parsePathArgument('FROM', `FROM:<${piece.repeat(12_000)}>`);
  }
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
});

describe('paths', () => {
  test.each<[string, string | undefined]>([
    ['FROM:<a@b.example>', 'a@b.example'],
    ['from : <a@b.example>', 'a@b.example'],
    ['FROM:a@b.example', 'a@b.example'],
    ['FROM:<>', ''],
    ['FROM:<@one,@two:a@b.example>', 'a@b.example'],
    ['FROM:<"a\\">b"@c.example>', '"a\\">b"@c.example'],
    ['FROM:<a@[IPv6:2001:db8::1]>', 'a@[IPv6:2001:db8::1]'],
    ['FROM:', undefined],
    ['FROM:<a@b.example>>', undefined],
    ['FROM:<a@b.example>SIZE=1', undefined],
    ['FROM:<a b@c.example>', undefined],
    ['FROM:<"a@b.example>', undefined],
    ['FROM:a@b.example>', undefined],
    ['FROM:<@one>', undefined],
    [`FROM:<${'a'.repeat(1025)}>`, undefined],
    ['TO:<a@b.example>', undefined],
  ])('%s', (argument, path) => {
    expect(parsePathArgument('FROM', argument)?.path).toBe(path);
  });
});

test('mailboxes are split at the last @', () => {
  expect(parseMailbox('"a@b"@c.example')).toEqual({ local: '"a@b"', domain: 'c.example' });
  for (const none of ['a', '@c.example', 'a@', '']) expect(parseMailbox(none)).toBeUndefined();
  expect([isAscii('a~'), isAscii('\u00e4')]).toEqual([true, false]);
});
