// The IMAP framer by example: where a command ends, and where the framing does.

import { describe, expect, test } from 'vitest';
import { CLIENT_BOUNDS, type Frame, Framer } from '../../../../src/protocols/imap/framer.ts';

function first(text: string, literals: 'announced' | 'inline' = 'announced'): string | undefined {
  const framer = new Framer(literals);
  framer.push(Buffer.from(text, 'latin1'));
  return kindOf(framer.command());
}

function kindOf(frame: Frame | undefined): string | undefined {
  return frame?.kind === 'overflow' ? `overflow ${frame.what}` : frame?.kind;
}

describe('what a line ends in', () => {
  test.each([
    ['a NOOP\r\n', 'complete'],
    ['a NOOP\n', 'complete'],
    ['a NOOP\r', undefined],
    ['\r\n', 'complete'],
    ['\n', 'complete'],
    ['a {5}\r\n', 'literal'],
    ['a {5}\n', 'literal'],
    ['a {0}\r\n', 'literal'],
    ['a {05}\r\n', 'literal'],
    ['a {5+}\r\n', undefined],
    ['a {5+}\r\n12345\r\n', 'complete'],
    ['a {0+}\r\n\r\n', 'complete'],
    ['a {5} \r\n', 'complete'],
    ['a {5}\r\r\n', 'complete'],
    ['a {5}x\r\n', 'complete'],
    ['a {}\r\n', 'complete'],
    ['a {+}\r\n', 'complete'],
    ['a {-1}\r\n', 'complete'],
    ['a {5-}\r\n', 'complete'],
    ['a {5++}\r\n', 'complete'],
    ['a { 5}\r\n', 'complete'],
    ['a {0x5}\r\n', 'complete'],
    ['a {1e3}\r\n', 'complete'],
    ['5}\r\n', 'complete'],
    ['123456789012345678901234567890}\r\n', 'complete'],
    ['}\r\n', 'complete'],
    ['a {16384}\r\n', 'literal'],
    ['a {16385}\r\n', 'too-large'],
    ['a {9223372036854775808}\r\n', 'too-large'],
    ['a {4294967301}\r\n', 'too-large'],
    ['a {16384+}\r\n', undefined],
    ['a {16385+}\r\n', 'overflow literal'],
    ['a {9223372036854775808+}\r\n', 'overflow literal'],
    [`a {${'0'.repeat(36)}5}\r\n`, 'literal'],
    [`a {${'9'.repeat(50)}}\r\n`, 'overflow literal'],
    [`a {${'9'.repeat(50)}+}\r\n`, 'overflow literal'],
  ])('%j: %s', (text, kind) => {
    expect(first(text)).toBe(kind);
  });

  test('a server does not wait before a literal', () => {
    expect(first('* {5}\r\n12345\r\n', 'inline')).toBe('complete');
    expect(first('* {16385}\r\n', 'inline')).toBe('overflow literal');
  });
});

describe('the bounds', () => {
  test('of a line: 8,192 octets and CRLF, not one more, noticed as soon as it is certain', () => {
    const longest = 'x'.repeat(CLIENT_BOUNDS.line);
    expect(first(`${longest}\r\n`)).toBe('complete');
    expect(first(`${longest}\n`)).toBe('complete');
    expect(first(`${longest}\r`)).toBeUndefined();
    expect(first(`${longest}x\r\n`)).toBe('overflow line');
    expect(first(`${longest}xx`)).toBe('overflow line');
  });

  test('of a line in an ID command: those of a command', () => {
    expect(first(`a ID (${'x'.repeat(40_000)})\r\n`)).toBe('complete');
    expect(first(`a id (${'x'.repeat(40_000)}`)).toBeUndefined();
    expect(first(`a ID (${'x'.repeat(70_000)}`)).toBe('overflow line');
    expect(first(`a IDLE ${'x'.repeat(10_000)}`)).toBe('overflow line');
    expect(first(`a NOOP\r\nb ID ${'x'.repeat(10_000)}`)).toBe('complete');
    expect(first(`${'x'.repeat(100)} ID ${'x'.repeat(10_000)}`)).toBe('overflow line');
  });

  test('of all of a command', () => {
    const literal = `{16000+}\r\n${'x'.repeat(16_000)}`;
    expect(first(`a ${literal}${literal}${literal}${literal}\r\n`)).toBe('complete');
    expect(first(`a ${literal}${literal}${literal}${literal}{16000+}\r\n`)).toBe('overflow literal');
    expect(first(`a ${literal}${literal}${literal}${literal}{16000}\r\n`)).toBe('too-large');
  });

  test('of a SASL answer: what its reader says', () => {
    const framer = new Framer('announced');
    framer.push(Buffer.from(`${'A'.repeat(12_288)}\r\n{5}\r\n${'A'.repeat(12_290)}`));
    expect(kindOf(framer.textLine(12_288))).toBe('complete');
    expect(framer.textLine(12_288)).toEqual({ kind: 'complete', bytes: Buffer.from('{5}') });
    expect(kindOf(framer.textLine(12_288))).toBe('overflow line');
  });
});

test('a literal that is over the bounds, and waits to be asked for, does not end the framing', () => {
  const framer = new Framer('announced');
  framer.push(Buffer.from('a LOGIN {99999}\r\nb NOOP\r\n'));
  expect(framer.command()).toEqual({ kind: 'too-large', bytes: Buffer.from('a LOGIN {99999}') });
  expect(framer.command()).toEqual({ kind: 'complete', bytes: Buffer.from('b NOOP') });
});

test('nothing is read on until the announced literal is accepted or refused', () => {
  const framer = new Framer('announced');
  framer.push(Buffer.from('a LOGIN {3}\r\n'));
  expect(kindOf(framer.command())).toBe('literal');
  framer.push(Buffer.from('a\r\n b\r\n'));
  expect(framer.command()).toBeUndefined();
  framer.accept();
  expect(framer.command()).toEqual({ kind: 'complete', bytes: Buffer.from('a LOGIN {3}\r\na\r\n b') });
});

test('a frame is not changed by what comes after it', () => {
  const framer = new Framer('announced');
  framer.push(Buffer.from('a NO'));
  framer.push(Buffer.from('OP\r\nb NO'));
  const frame = framer.command();
  framer.push(Buffer.from('OP\r\n'.repeat(1000)));
  framer.command();
  expect(frame).toEqual({ kind: 'complete', bytes: Buffer.from('a NOOP') });
});
