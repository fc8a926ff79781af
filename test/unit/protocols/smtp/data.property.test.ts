// Smuggling: whatever a client sends behind DATA, in whatever pieces, what goes upstream has only lines that end in CR LF, one end
// of data or none, and says what the client said. Three worst things: an end that only some servers take for one; the same
// in pieces; a dot that becomes the first of its line on the way.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DataFault, DataScanner, type NewlinePolicy } from '../../../../src/protocols/smtp/data.ts';

/** What transfer.ts does with a scanner: what went upstream, and what came of it. */
interface Outcome {
  readonly sent: string;
  readonly isEnded: boolean;
  readonly fault: DataFault | undefined;
  readonly rest: string;
}

function run(policy: NewlinePolicy, pieces: readonly Buffer[]): Outcome {
  const scanner = new DataScanner(policy);
  let sent = '';
  for (const [index, piece] of pieces.entries()) {
    const isEnded = scanner.push(piece);
    // From the fault on nothing is sent, and not what came with it.
    if (scanner.fault === undefined) sent += scanner.out.toString('latin1');
    if (isEnded) {
      const rest = Buffer.concat([scanner.rest, ...pieces.slice(index + 1)]).toString('latin1');
      return { sent, isEnded, fault: scanner.fault, rest };
    }
  }
  return { sent, isEnded: false, fault: scanner.fault, rest: '' };
}

const bytes = (text: string) => Buffer.from(text, 'latin1');

function split(text: string, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => (text.length === 0 ? 0 : cut % text.length)))].sort(
    (a, b) => a - b,
  );
  const whole = bytes(text);
  // Each a copy, at another offset in its memory.
  return [0, ...at].map((from, index) => Buffer.from(whole.subarray(from, at[index] ?? whole.length)));
}

/** Where the message ends for a server that takes any line end for one: the index behind it. */
function lenientEnd(sent: string): number {
  const match = /(^|\r\n|\n|\r)\.(\r\r\n|\r\n|\n|\r)/.exec(sent);
  return match === null ? -1 : match.index + match[0].length;
}

/** The strict end in what the client sent: the index behind it, or -1. */
function strictEnd(text: string): number {
  const at = `\r\n${text}`.indexOf('\r\n.\r\n');
  return at === -1 ? -1 : at + 3;
}

function expectSafe(outcome: Outcome, input: string): void {
  const { sent, isEnded, fault } = outcome;
  expect(sent).not.toMatch(/\r(?!\n|$)|(?<!\r)\n|\0/);
  const end = lenientEnd(sent);
  if (isEnded && fault === undefined) {
    expect(end).toBe(sent.length);
    expect(sent.endsWith('.\r\n')).toBe(true);
  } else expect(end).toBe(-1);
  expect(isEnded).toBe(strictEnd(input) !== -1);
}

/** Line ends and dots, and a little of everything else. */
const hostile = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom('\r\n', '\r', '\n', '.', '\r\n.\r\n', '\r\n.', '.\r\n') },
      {
        weight: 3,
        arbitrary: fc.constantFrom('a', 'text', '..', '\r\n.\r\r\n', '\n.\n', 'MAIL FROM:<x@y>\r\n'),
      },
      { weight: 1, arbitrary: fc.constantFrom('\0', '\t', '\x0b', '\x0e', '\x80', '\xff', '\x8a\x8d') },
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''));
const cuts = fc.array(fc.nat(200), { maxLength: 12 });

const VARIANTS = [
  '\n.\n',
  '\r.\r',
  '\n.\r\n',
  '\r\n.\n',
  '\r\n.\r\r\n',
  '\r\n.\r',
  '\r.\r\n',
  '\r\n\0.\r\n',
  '\r\n.\0\r\n',
  '\r\n\n.\r\n',
  '\n\r.\r\n',
  '\n\n.\r\n',
  '\r\r.\r\r',
  '\r\n.\r\n\r',
  '\r\n..\r\n',
  '\r\n. \r\n',
];
const SMUGGLED = 'MAIL FROM:<evil@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nboo\r\n.\r\n';

describe.each(['refuse', 'normalise'] as const)('%s', (policy) => {
  test.each(VARIANTS.map((variant) => [JSON.stringify(variant), variant]))(
    'what looks like an end: %s, at every split in two and in single octets',
    (_, variant) => {
      const input = `Subject: x\r\n\r\nbody${variant}${SMUGGLED}`;
      const whole = run(policy, [bytes(input)]);
      expectSafe(whole, input);
      for (let cut = 1; cut < input.length; cut++) {
        const outcome = run(policy, split(input, [cut]));
        expectSafe(outcome, input);
        expect({ ...outcome, sent: '' }).toEqual({ ...whole, sent: '' });
        if (whole.fault === undefined) expect(outcome.sent).toBe(whole.sent);
      }
      const single = run(policy, [...input].map(bytes));
      expectSafe(single, input);
      expect(single.fault).toBe(whole.fault);
      expect(single.rest).toBe(whole.rest);
    },
  );

  test('any mixture in any pieces is safe, and the same in all pieces', () => {
    fc.assert(
      fc.property(hostile, cuts, (input, at) => {
        const whole = run(policy, [bytes(input)]);
        const pieces = run(policy, split(input, at));
        expectSafe(whole, input);
        expectSafe(pieces, input);
        expect(pieces.fault).toBe(whole.fault);
        expect(pieces.isEnded).toBe(whole.isEnded);
        expect(pieces.rest).toBe(whole.rest);
        if (whole.fault === undefined && whole.isEnded) expect(pieces.sent).toBe(whole.sent);
      }),
      { numRuns: 3000 },
    );
  });

  test('two at the end of one another: the second is not touched', () => {
    const outcome = run(policy, [bytes('one\r\n.\r\nQUIT\r\n')]);
    expect(outcome).toEqual({ sent: 'one\r\n.\r\n', isEnded: true, fault: undefined, rest: 'QUIT\r\n' });
  });

  test('an empty message', () => {
    expect(run(policy, [bytes('.\r\n')])).toEqual({
      sent: '.\r\n',
      isEnded: true,
      fault: undefined,
      rest: '',
    });
  });

  test('what is clean passes as it came, whatever octets are in it', () => {
    const line = fc
      .uint8Array({ maxLength: 100 })
      .map((octets) => Buffer.from(octets.filter((octet) => ![0, 10, 13].includes(octet))).toString('latin1'))
      .map((text) => (text.startsWith('.') ? `.${text}` : text));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), cuts, (lines, at) => {
        const input = `${lines.map((text) => `${text}\r\n`).join('')}.\r\n`;
        const outcome = run(policy, split(input, at));
        expect(outcome).toEqual({ sent: input, isEnded: true, fault: undefined, rest: '' });
      }),
      { numRuns: 500 },
    );
  });
});

test('refuse: any CR or LF of its own, and any NUL, is a fault; nothing else is', () => {
  fc.assert(
    fc.property(hostile, cuts, (input, at) => {
      const end = strictEnd(input);
      const message = end === -1 ? input : input.slice(0, end);
      const { fault } = run('refuse', split(input, at));
      // A CR that is the last octet so far may still be followed by its LF.
      const isBad = /\r(?!\n|$)|(?<!\r)\n|\0/.test(message);
      expect(fault !== undefined).toBe(isBad);
    }),
    { numRuns: 2000 },
  );
});

test('normalise: the message says what it said, with each CR or LF of its own as CR LF', () => {
  /** Without the dots that the client put before lines, which begin behind its own CR LF. */
  const unstuffed = (text: string) => text.replace(/(^|\r\n)\./g, '$1');
  const withoutNul = hostile.filter((input) => !input.includes('\0'));
  fc.assert(
    fc.property(withoutNul, cuts, (input, at) => {
      const end = strictEnd(input);
      fc.pre(end !== -1);
      const { sent, fault } = run('normalise', split(input, at));
      expect(fault).toBeUndefined();
      const said = unstuffed(input.slice(0, end - 3)).replace(/\r\n|\r|\n/g, '\r\n');
      expect(unstuffed(sent.slice(0, -3))).toBe(said);
    }),
    { numRuns: 3000 },
  );
});

test('normalise: a NUL is refused all the same', () => {
  expect(run('normalise', [bytes('a\0b\r\n.\r\n')])).toMatchObject({ fault: 'nul', isEnded: true, sent: '' });
});

test('nothing is kept but what could become an end: memory does not grow with the message', () => {
  const scanner = new DataScanner('refuse');
  const chunk = bytes(`${'x'.repeat(76)}\r\n`.repeat(100));
  let sent = 0;
  for (let n = 0; n < 100; n++) {
    scanner.push(chunk);
    sent += scanner.out.length;
    expect(n * chunk.length + chunk.length - sent).toBeLessThanOrEqual(2);
  }
});
