// IMAP's syntax by properties: what was meant comes out, whatever it was dressed as, and no bytes make a decoder throw.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Framer } from '../../../../src/protocols/imap/framer.ts';
import {
  capabilitiesIn,
  capabilityListOf,
  Decoder,
  decodeIdFields,
  decodeResponse,
  encodeIdFields,
  hasForbiddenControl,
  ID_BOUNDS,
  quoted,
} from '../../../../src/protocols/imap/wire.ts';

/** Any text that a string of IMAP can hold, with IMAP's own signs more often than chance would have them. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\\',
        '"',
        '{',
        '}',
        '{5}',
        '{5+}',
        ' ',
        '(',
        ')',
        '%',
        '*',
        ']',
        '+',
        'NIL',
        '\u00fc',
        '\u{1f511}',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''))
  .filter((text) => !hasForbiddenControl(text));
/** What a literal can hold besides: anything. */
const anyText = fc.oneof(text, fc.string({ unit: 'binary' }), fc.constant('a\r\nb\0\\"'));

type Dress = (text: string) => string;
const literal =
  (plus: string): Dress =>
  (text) =>
    `{${Buffer.byteLength(text)}${plus}}\r\n${text}`;
const DRESSES: readonly Dress[] = [quoted, literal(''), literal('+')];
/** One that a text can wear: an atom takes no separators, a quoted string no line ends. */
const dressed = fc.oneof(
  fc.tuple(text, fc.constantFrom(...DRESSES)),
  fc.tuple(anyText, fc.constantFrom(literal(''), literal('+'))),
  fc.tuple(
    fc.stringMatching(/^[!#$&'+-z|}~\u00a1-\u04ff\\%*\]]{1,20}$/),
    fc.constant<Dress>((text) => text),
  ),
);

/** One command through the framer, in pieces; literals are accepted. */
function frame(wire: Buffer, cuts: readonly number[]): Buffer {
  const framer = new Framer('announced');
  const at = [0, ...cuts.map((n) => n % (wire.length + 1)).sort((a, b) => a - b), wire.length];
  for (const [n, to] of at.slice(1).entries()) {
    framer.push(wire.subarray(at[n], to));
    for (let next = framer.command(); next !== undefined; next = framer.command()) {
      if (next.kind === 'complete') return next.bytes;
      if (next.kind !== 'literal') throw new Error(`unexpected ${next.kind}`);
      framer.accept();
    }
  }
  throw new Error('no command');
}

describe('LOGIN', () => {
  test('any mixture of atoms, quoted strings and both kinds of literals gives what was meant', () => {
    fc.assert(
      fc.property(
        dressed,
        dressed,
        fc.array(fc.nat()),
        ([name, nameDress], [password, passwordDress], cuts) => {
          const wire = Buffer.from(`a LOGIN ${nameDress(name)} ${passwordDress(password)}\r\n`);
          const decoder = new Decoder(frame(wire, cuts));
          expect(decoder.tag()).toBe('a');
          expect(decoder.space()).toBe(true);
          expect(decoder.atom()).toBe('LOGIN');
          expect(decoder.space()).toBe(true);
          expect(decoder.astring()).toBe(name);
          expect(decoder.space()).toBe(true);
          expect(decoder.astring()).toBe(password);
          expect(decoder.atEnd()).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('a backslash escapes within quotes and is itself in a literal and in an atom', () => {
    const read = (wire: string) => new Decoder(Buffer.from(wire)).astring();
    expect(read('"a\\\\b\\"c"')).toBe('a\\b"c');
    expect(read('{6}\r\na\\\\b\\"')).toBe('a\\\\b\\"');
    expect(read('{3+}\na\\b')).toBe('a\\b');
    expect(read('EXAMPLE\\alice')).toBe('EXAMPLE\\alice');
    expect(read('"EXAMPLE\\alice"')).toBe('EXAMPLE\\alice');
    expect(read('"\\a\\\\\\b\\"\\c"')).toBe('\\a\\\\b"\\c');
    expect(read('"a\\\r\nb"')).toBeUndefined();
    expect(read('"a\\"')).toBeUndefined();
    expect(read('"a\\')).toBeUndefined();
  });
});

test('octets that are not UTF-8 are read one by one, and none is lost', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (octets) => {
      const wire = Buffer.concat([Buffer.from(`{${octets.length}}\r\n`), octets]);
      const read = new Decoder(wire).string()!;
      const back = [Buffer.from(read, 'utf8'), Buffer.from(read, 'latin1')];
      expect(back.some((bytes) => bytes.equals(octets))).toBe(true);
    }),
  );
});

test('a quoted string is read back, and cannot be made of what would break out of it', () => {
  fc.assert(
    fc.property(text, (text) => {
      const wire = quoted(text);
      expect(wire).not.toMatch(/[\r\n\0]/);
      const decoder = new Decoder(Buffer.from(`${wire} rest`));
      expect(decoder.string()).toBe(text);
      expect(decoder.space()).toBe(true);
      expect(decoder.rest()).toBe('rest');
    }),
    { numRuns: 2000 },
  );
  for (const control of ['\r', '\n', '\0']) expect(() => quoted(`a${control}b`)).toThrow(RangeError);
});

const READS = ['tag', 'space', 'open', 'close', 'atEnd', 'atom', 'astring', 'nstring', 'string'] as const;

describe('the decoder', () => {
  const tokens = [
    '{5}\r\nab',
    '{2}\r\nab',
    '{999999999}\r\n',
    '{0}\n',
    '"',
    '"a"',
    '"\\',
    '(',
    ')',
    'NIL',
    ' ',
    'a',
    '+',
  ];
  const reads = fc.array(fc.constantFrom(...READS), { maxLength: 20 });

  test('does not throw, whatever the bytes and whatever is asked for', () => {
    const bytes = fc.array(fc.oneof(fc.uint8Array({ maxLength: 6 }), fc.constantFrom(...tokens)));
    fc.assert(
      fc.property(bytes, reads, (parts, reads) => {
        const decoder = new Decoder(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
        for (const read of reads)
          expect(['string', 'boolean', 'object', 'undefined']).toContain(typeof decoder[read]());
        decoder.rest();
        expect(decoder.atEnd()).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test('only ever goes forward, and a read that finds nothing of its own leaves all to the next', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens)), reads, (parts, reads) => {
        const wire = parts.join('');
        const decoder = new Decoder(Buffer.from(wire));
        let left = restAfter(wire, []);
        for (const [n, read] of reads.entries()) {
          const result = decoder[read]();
          const now = restAfter(wire, reads.slice(0, n + 1));
          expect(left.endsWith(now)).toBe(true);
          const isKeyword = read === 'tag' || read === 'nstring';
          if ((result === undefined || result === false) && !isKeyword) expect(now).toBe(left);
          if (read === 'atEnd') expect(result).toBe(now === '');
          left = now;
        }
      }),
      { numRuns: 3000 },
    );
  });

  /** What is left to read after these reads: `rest` ends a decoder, so another one goes the same way. */
  function restAfter(wire: string, reads: readonly (typeof READS)[number][]): string {
    const decoder = new Decoder(Buffer.from(wire));
    for (const read of reads) decoder[read]();
    return decoder.rest();
  }
});

describe('ID', () => {
  const key = fc.stringMatching(/^[ -~]{1,30}$/).map((key) => key.toLowerCase());
  const value = fc.oneof(fc.constant(null), fc.stringMatching(/^[ -~]{0,200}$/));
  const fields = fc.uniqueArray(fc.tuple(key, value), { maxLength: 30, selector: ([key]) => key });

  test('what is encoded is read back', () => {
    fc.assert(
      fc.property(fields, (pairs) => {
        const wire = encodeIdFields(new Map(pairs));
        expect(wire).toMatch(/^[ -~]*$/);
        const decoder = new Decoder(Buffer.from(wire));
        expect([...decodeIdFields(decoder)!]).toEqual(pairs);
        expect(decoder.atEnd()).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test('what a quoted string cannot hold, or only as octets that mean something to a terminal, is left out', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, fc.oneof(anyText, fc.constant(null)))), (pairs) => {
        expect(encodeIdFields(new Map(pairs))).toMatch(/^(NIL|\([ -~]*\))$/);
      }),
      { numRuns: 1000 },
    );
  });

  test('30 pairs, keys of 30 octets, values of 1,024: read up to there, and not beyond', () => {
    const around = (bound: number) => fc.integer({ min: bound - 2, max: bound + 2 });
    fc.assert(
      fc.property(
        around(ID_BOUNDS.pairs),
        around(ID_BOUNDS.key),
        around(ID_BOUNDS.value),
        fc.boolean(),
        fc.constantFrom(...DRESSES),
        (pairs, keyLength, valueLength, distinct, dress) => {
          const one = (n: number) =>
            `${dress((distinct ? String(n) : '').padEnd(keyLength, 'k'))} ${dress('v'.repeat(valueLength))}`;
          const wire = `(${Array.from({ length: pairs }, (_, n) => one(n)).join(' ')})`;
          const isWithin =
            pairs <= ID_BOUNDS.pairs && keyLength <= ID_BOUNDS.key && valueLength <= ID_BOUNDS.value;
          const read = decodeIdFields(new Decoder(Buffer.from(wire)));
          expect(read?.size).toBe(isWithin ? (distinct ? pairs : 1) : undefined);
        },
      ),
    );
  });

  test('any bytes are a list or are not, and never throw', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom('(', ')', ' ', '"a"', '"', 'NIL', 'nil', '{1}\r\na', '{9}\r\na', '\\', 'x', '\xff'),
        ),
        (parts) => {
          const bytes = Buffer.from(parts.join(''), 'latin1');
          const decoder = new Decoder(bytes);
          const fields = decodeIdFields(decoder);
          if (fields === undefined || !decoder.atEnd()) return;
          expect(bytes.toString('latin1')).toMatch(/^ *(nil|\(.*\)) *$/is);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('responses of a server', () => {
  const atom = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9.=-]{0,10}$/);

  test('tag, type, code and text come out as they went in', () => {
    fc.assert(
      fc.property(
        atom,
        atom,
        fc.array(atom, { maxLength: 5 }),
        fc.stringMatching(/^[A-Za-z0-9 .{}"]{0,30}$/),
        (tag, type, code, text) => {
          const brackets = code.length > 0 ? `[${code.join(' ')}] ` : '';
          expect(decodeResponse(Buffer.from(`${tag} ${type} ${brackets}${text}`))).toEqual({
            tag,
            type: type.toUpperCase(),
            code: code.join(' '),
            text,
          });
        },
      ),
    );
  });

  test('any bytes are one or are not, and never throw', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(fc.constantFrom('* ', '+', ' ', '[', ']', 'OK', 'CAPABILITY ', '\r\n'), fc.string()),
        ),
        (parts) => {
          const response = decodeResponse(Buffer.from(parts.join('')));
          if (response === undefined) return;
          expect(response.tag).not.toMatch(/\s/);
          expect(response.type).toBe(response.type.toUpperCase());
          const list = capabilityListOf(response);
          if (list !== undefined) for (const name of capabilitiesIn(list)) expect(name).not.toMatch(/ |^$/);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['* OK [CAPABILITY IMAP4rev1 IDLE] hi', 'IMAP4rev1 IDLE'],
    ['* ok [capability IMAP4rev1] hi', 'IMAP4rev1'],
    ['* CAPABILITY IMAP4rev1 IDLE', 'IMAP4rev1 IDLE'],
    ['p1 OK [CAPABILITY IMAP4rev1 X]', 'IMAP4rev1 X'],
    ['* OK hi', undefined],
    ['* OK [ALERT] CAPABILITY X', undefined],
    ['* OK [CAPABILITYX Y] hi', undefined],
    ['* OK hi [CAPABILITY X]', undefined],
  ])('%s lists %s', (line, list) => {
    expect(capabilityListOf(decodeResponse(Buffer.from(line))!)).toBe(list);
  });
});
