// Texts that are no YAML: one line for each, at the place that has to be mended, in words.

import { describe, expect, it } from 'vitest';
import { mistakes, SMALL, small } from './example.ts';

const NEIGHBOURS = 'does not begin in the column of what it belongs to, must be indented like its neighbours';
const COLON = 'has a colon in a value, must have quotes around a value with a colon';
const COMMA =
  'has a colon in a value between braces, must have a comma before each key, and quotes around a value with a colon';
const further = (column: number) =>
  `is further in than what stands above it, must begin in column ${column} like it, or what is above has to be without a value`;

describe.each(['\n', '\r\n'])('with lines that end in %j', (end) => {
  it.each([
    // Indentation.
    [small('    address: imap', '   address: imap'), '10:1', NEIGHBOURS],
    [small('    address: imap', '     address: imap'), '10:6', further(5)],
    [small('keys:', ' keys:'), '3:1', NEIGHBOURS],
    [small('  dovecot:\n', '  dovecot: x\n'), '9:5', further(3)],
    [small('  - { name', '  - name: a\n   protocol: imap\n  - { name'), '7:1', NEIGHBOURS],
    [small('  - { name', '  - name: a\n      protocol: imap\n  - { name'), '7:7', further(5)],
    [
      small('    protocol: imap', '\tprotocol: imap'),
      '9:1',
      'is indented by a tab, must be indented by spaces',
    ],
    [
      small('    protocol: imap', '  \tprotocol: imap'),
      '9:3',
      'is indented by a tab, must be indented by spaces',
    ],
    ['hostname: a.b\n\tlog: {}\n', '2:1', 'is indented by a tab, must be indented by spaces'],
    // Quotes, braces and brackets.
    [
      small('"*@example.com"', '"*@example.com'),
      '14:14',
      'has a " here that is not closed, must have a " at its end',
    ],
    [
      small('"*@example.com"', "'*@example.com"),
      '14:14',
      "has a ' here that is not closed, must have a ' at its end",
    ],
    [small('mail.example.com', '"mail'), '1:11', 'has a " here that is not closed, must have a " at its end'],
    [small(' }\nkeys', '\nkeys'), '2:8', 'has a { here that is not closed, must have a } at its end'],
    [
      `${SMALL}throttle: { exempt: [10.0.0.0/8 }\n`,
      '15:21',
      'has a [ here that is not closed, must have a ] at its end',
    ],
    [small('keys.json }', 'keys.json } }'), '3:34', 'has a } that closes nothing, must be left out'],
    [
      small('imap, address', 'imap,, address'),
      '6:35',
      'has a comma with nothing before it, must be left out',
    ],
    // Colons and dashes.
    [
      small('hostname: mail', 'hostname mail'),
      '1:1',
      'has no colon after its first word, must be written as key: value',
    ],
    [
      small('routes:\n', 'routes\n'),
      '13:1',
      'has no colon after its first word, must be written as key: value',
    ],
    [
      small('hostname: mail', 'hostname:mail'),
      '1:1',
      'has no space after a colon, must be written as key: value',
    ],
    [small('hostname: mail', 'hostname: mail: x'), '1:11', COLON],
    [small('user: postern', 'user: a: b'), '12:35', COMMA],
    [small('imap, address', 'imap address'), '6:30', COMMA],
    [small('  - { users', '  -{ users'), '14:13', 'has no space after the - of a list, must have one'],
    // Characters that mean something.
    [small('mail.example.com', '@x'), '1:11', 'begins with @, must be in quotes'],
    [small('mail.example.com', '`x`'), '1:11', 'begins with `, must be in quotes'],
    [small('mail.example.com', '%x'), '1:11', 'begins with %, must be in quotes'],
    [
      small('"*@example.com"', '*'),
      '14:14',
      'has a * without a name after it, must be in quotes if it is to begin with that',
    ],
    [
      `${SMALL}log: & { level: info }\n`,
      '15:6',
      'has a & without a name after it, must be in quotes if it is to begin with that',
    ],
    [
      small('mail.example.com', '!secret x'),
      '1:11',
      'has a tag (a word that begins with !), must be in quotes if it is to begin with that',
    ],
    [
      small('"*@example.com",', '"*@example.com"#x,'),
      '14:29',
      'has no space before the #, must have one, or quotes around the value',
    ],
    [
      small('mail.example.com', '"\\q"'),
      '1:12',
      'has \\q in double quotes, must be between single quotes or have \\\\ for a \\',
    ],
    [
      `${SMALL}log: |x\n  level: info\n`,
      '15:7',
      'has text right after | or >, must have it on the next line',
    ],
    [`%FOO\n---\n${SMALL}`, '1:1', 'has a directive that means nothing, must have none but %YAML 1.2'],
  ])('%j is told at %s', (text, place, message) => {
    expect(mistakes(text.replaceAll('\n', end))).toEqual([`postern.yaml:${place} yaml: ${message}`]);
  });
});

it('of several mistakes tells the first', () => {
  const text = small('    protocol: imap', '\tprotocol: imap').replace('"*@example.com"', '@x');
  expect(mistakes(text)).toEqual([expect.stringMatching(/^postern\.yaml:9:1 yaml: is indented by a tab/)]);
});

it('points at the line that is out of column, whichever it is', () => {
  const lines = SMALL.split('\n').slice(0, -1);
  for (const [index, line] of lines.entries()) {
    for (const moved of [` ${line}`, line.replace(/^ /, '')]) {
      const text = lines.with(index, moved).join('\n');
      const told = mistakes(`${text}\n`).filter((message) => message.includes(' yaml: '));
      expect(told.length).toBeLessThan(2);
      // The first line sets the column: then it is the second that is out of it.
      const nearby = [index + 1, index + 2].map((n) => `postern.yaml:${n}:`);
      for (const message of told)
        expect(
          nearby.some((place) => message.startsWith(place)),
          message,
        ).toBe(true);
    }
  }
});
