// The IMAP framer on any bytes, split in any way: the same frames, nothing thrown, nothing held beyond the bounds.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CLIENT_BOUNDS,
  type Frame,
  type FrameBounds,
  Framer,
} from '../../../../src/protocols/imap/framer.ts';

/** Small, so that chance finds them; a line of more than 80 octets, in which an ID command is recognised. */
const SMALL: FrameBounds = { line: 90, literal: 16, command: 200 };
const SASL = 30;

/** Bytes as a peer could send them: the framer's own signs, among noise. */
const stream = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('\r\n', '\n', '\r', 'a LOGIN ', 'a ID (', '}', '{', '+}') },
      { weight: 4, arbitrary: fc.nat(20).map((n) => `{${n}}\r\n`) },
      { weight: 4, arbitrary: fc.nat(20).map((n) => `{${n}+}\n`) },
      { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 1n << 64n }).map((n) => `{${n}}\r\n`) },
      { weight: 1, arbitrary: fc.nat(60).map((n) => `${'9'.repeat(n)}}\r\n`) },
      { weight: 5, arbitrary: fc.uint8Array({ maxLength: 8 }) },
      { weight: 2, arbitrary: fc.nat(60).map((n) => 'x'.repeat(n)) },
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part as string))));

function split(bytes: Buffer, at: readonly number[]): Buffer[] {
  const cuts = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((to, n) => Buffer.from(bytes.subarray(cuts[n], to)));
}

/** What a dialogue does with the n-th frame's successor: reads a command or a SASL answer, takes a literal or not. */
interface Plan {
  readonly reads: readonly ('command' | 'answer')[];
  readonly accepts: readonly boolean[];
}
const plan = fc.record({
  reads: fc.array(fc.constantFrom('command' as const, 'command' as const, 'answer' as const), {
    minLength: 1,
  }),
  accepts: fc.array(fc.boolean(), { minLength: 1 }),
});

/** All frames of the chunks, as text; `watch` sees the framer whenever it has nothing more to give. */
function frames(
  framer: Framer,
  chunks: readonly Buffer[],
  { reads, accepts }: Plan,
  watch: (framer: Framer) => void = () => {},
): string[] {
  const seen: string[] = [];
  for (const chunk of chunks) {
    framer.push(chunk);
    for (;;) {
      const answer = reads[seen.length % reads.length] === 'answer' && !seen.at(-1)?.startsWith('literal');
      const frame = answer ? framer.textLine(SASL) : framer.command();
      if (frame === undefined) break;
      seen.push(shown(frame));
      if (frame.kind === 'overflow') return seen;
      if (frame.kind !== 'literal') continue;
      if (accepts[seen.length % accepts.length]) framer.accept();
      else framer.refuse();
    }
    watch(framer);
  }
  return seen;
}

function shown(frame: Frame): string {
  switch (frame.kind) {
    case 'complete':
      return `complete ${frame.bytes.toString('latin1')}`;
    case 'literal':
      return `literal ${frame.size} ${frame.bytes.toString('latin1')}`;
    case 'too-large':
      return `too-large ${frame.bytes.toString('latin1')}`;
    case 'overflow':
      return `overflow ${frame.what}`;
  }
}

test('any split of the bytes gives the same frames', () => {
  const kinds = new Set<string>();
  fc.assert(
    fc.property(
      fc.constantFrom('announced' as const, 'inline' as const),
      stream,
      fc.array(fc.nat()),
      plan,
      (literals, bytes, cuts, plan) => {
        const whole = frames(new Framer(literals, SMALL), [bytes], plan);
        expect(frames(new Framer(literals, SMALL), split(bytes, cuts), plan)).toEqual(whole);
        const octets = Array.from(bytes, (octet) => Buffer.of(octet));
        expect(frames(new Framer(literals, SMALL), octets, plan)).toEqual(whole);
        for (const frame of whole) kinds.add(frame.replace(/^(overflow \w+|[\w-]+).*/s, '$1'));
      },
    ),
    { numRuns: 3000 },
  );
  expect([...kinds].sort()).toEqual([
    'complete',
    'literal',
    'overflow line',
    'overflow literal',
    'too-large',
  ]);
});

test('whatever comes, no more is held than a command may have, and nothing after an overflow', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat()), plan, (bytes, cuts, plan) => {
      const framer = new Framer('announced', SMALL);
      const seen = frames(framer, split(bytes, cuts), plan, ({ unread }) => {
        // One more: a CR whose LF is still to come.
        expect(unread).toBeLessThanOrEqual(SMALL.command + 1);
      });
      if (!seen.at(-1)?.startsWith('overflow')) return;
      framer.push(Buffer.from('a NOOP\r\n'));
      expect(framer.command()).toMatchObject({ kind: 'overflow' });
      expect(framer.textLine(SASL)).toMatchObject({ kind: 'overflow' });
      expect(framer.unread).toBe(0);
    }),
    { numRuns: 3000 },
  );
});

test('a frame is never larger than a command may be', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat()), (bytes, cuts) => {
      const framer = new Framer('inline', SMALL);
      for (const chunk of split(bytes, cuts)) {
        framer.push(chunk);
        for (let frame = framer.command(); frame?.kind === 'complete'; frame = framer.command()) {
          expect(frame.bytes.length).toBeLessThanOrEqual(SMALL.command);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

/** A command made of text and literals, and what it looks like on the wire. */
const piece = fc.oneof(
  fc.stringMatching(/^[ -z|~]{0,12}$/).map((text) => ({ wire: Buffer.from(text), size: -1, waits: false })),
  fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.boolean()).map(([content, waits]) => ({
    wire: Buffer.concat([Buffer.from(`{${content.length}${waits ? '' : '+'}}\r\n`), content]),
    size: content.length,
    waits,
  })),
);
const command = fc.array(piece, { maxLength: 8 }).map((pieces) => ({
  // A text at the end, so that "{5}" is never taken for a literal's head by chance.
  wire: Buffer.concat([Buffer.from('x '), ...pieces.map(({ wire }) => wire), Buffer.from(' end\r\n')]),
  literals: pieces.filter(({ waits }) => waits).map(({ size }) => size),
}));

test('commands come out as they went in, and announced literals are announced one by one', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 5 }), fc.array(fc.nat()), (commands, cuts) => {
      const wire = Buffer.concat(commands.map(({ wire }) => wire));
      const plan: Plan = { reads: ['command'], accepts: [true] };
      const seen = frames(new Framer('announced'), split(wire, cuts), plan);
      const expected = commands.flatMap(({ wire, literals }) => [
        ...literals.map((size) => expect.stringMatching(new RegExp(`^literal ${size} `))),
        `complete ${wire.subarray(0, -2).toString('latin1')}`,
      ]);
      expect(seen).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});

test('what was not read as a command is given back whole, to go upstream', () => {
  fc.assert(
    fc.property(
      fc.array(command, { minLength: 1, maxLength: 5 }),
      fc.nat(),
      fc.uint8Array({ maxLength: 50 }),
      fc.array(fc.nat()),
      (commands, n, tail, cuts) => {
        const taken = n % (commands.length + 1);
        const framer = new Framer('announced');
        const all = Buffer.concat([...commands.map(({ wire }) => wire), tail]);
        for (const chunk of split(all, cuts)) framer.push(chunk);
        for (let complete = 0; complete < taken; ) {
          const frame = framer.command();
          if (frame?.kind === 'literal') framer.accept();
          else if (frame?.kind === 'complete') complete++;
          else throw new Error(`unexpected ${frame?.kind}`);
        }
        const rest = Buffer.concat([...commands.slice(taken).map(({ wire }) => wire), tail]);
        expect(framer.takeRest().equals(rest)).toBe(true);
        expect(framer.unread).toBe(0);
      },
    ),
    { numRuns: 1000 },
  );
});

test('a refused literal leaves nothing of its command, and the next one is read', () => {
  fc.assert(
    fc.property(command, command, fc.array(fc.nat()), (refused, next, cuts) => {
      fc.pre(refused.literals.length > 0);
      const framer = new Framer('announced');
      const head = refused.wire.subarray(0, refused.wire.indexOf(`{${refused.literals[0]}}\r\n`));
      const start = Buffer.concat([head, Buffer.from(`{${refused.literals[0]}}\r\n`)]);
      for (const chunk of split(start, cuts)) framer.push(chunk);
      let frame = framer.command();
      fc.pre(frame?.kind === 'literal');
      framer.refuse();
      framer.push(next.wire);
      frame = framer.command();
      while (frame?.kind === 'literal') {
        framer.accept();
        frame = framer.command();
      }
      expect(frame).toEqual({ kind: 'complete', bytes: next.wire.subarray(0, -2) });
    }),
  );
});

test('with its real bounds, 5 MB in any pieces take no noticeable time and leave nothing behind', () => {
  for (const [beginning, filler] of [
    ['', 'x'],
    ['', '{0+}\r\n'],
    ['a LOGIN ', '{1+}\r\nx '],
    ['a ID (', '"k" "v" '],
    ['', '\r\n'],
    ['', '}'],
    ['', '{'],
    ['', '9'],
  ] as const) {
    for (const size of [1, 1000, 65_536]) {
      const framer = new Framer('announced');
      framer.push(Buffer.from(beginning));
      const chunk = Buffer.alloc(size, filler);
      const total = size === 1 ? 200_000 : 5_000_000;
      // Of this process alone: the machine has other work, too.
      const start = process.cpuUsage();
      for (let sent = 0; sent < total; sent += size) {
        framer.push(chunk);
        let frame = framer.command();
        while (frame !== undefined && frame.kind !== 'overflow') frame = framer.command();
        expect(framer.unread <= CLIENT_BOUNDS.command + 1).toBe(true);
        if (frame?.kind === 'overflow') break;
      }
      expect(process.cpuUsage(start).user / 1000).toBeLessThan(2000);
    }
  }
});
