// For any bytes, cut anywhere: the same replies, and nothing thrown.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplyReader, type SmtpReply } from '../../../../src/protocols/smtp/reply.ts';

function read(chunks: readonly Buffer[]) {
  const reader = new ReplyReader();
  const replies: SmtpReply[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let reply = reader.next(); reply !== undefined; reply = reader.next()) replies.push(reply);
  }
  return { replies, nonsense: reader.nonsense };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
}

const places = fc.array(fc.nat(), { maxLength: 12 });

/** Well-formed lines, nearly well-formed ones, and anything. */
const piece = fc.oneof(
  fc.constantFrom('250', '550', '421', '2', '-', ' ', '\r\n', '\r', '\n', '\0', '250-', '250 ok\r\n', '.'),
  fc.string({ unit: 'binary-ascii', maxLength: 20 }),
  fc.constantFrom('\xc3\xa9', '\xe2\x82', '\xff'),
  fc.integer({ min: 490, max: 5000 }).map((n) => 'y'.repeat(n)),
);

test('however the bytes are cut, the replies are the same', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), places, (pieces, at) => {
      const bytes = Buffer.from(pieces.join(''), 'latin1');
      const whole = read([bytes]);
      expect(read(cut(bytes, at))).toEqual(whole);
      for (const { code, lines } of whole.replies) {
        expect(code).toBeGreaterThanOrEqual(200);
        expect(code).toBeLessThan(600);
        expect(lines.length).toBeLessThanOrEqual(100);
        for (const line of lines) {
          expect(Buffer.byteLength(line)).toBeLessThanOrEqual(506);
          expect(line).not.toMatch(/[\0-\x08\x0a-\x1f\x7f-\x9f]/);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('what a server has written in good order is read as that', () => {
  const text = fc.stringMatching(/^[\x20-\x7e]{0,60}$/);
  const reply = fc.record({
    code: fc.integer({ min: 200, max: 559 }),
    lines: fc.array(text, { minLength: 1, maxLength: 5 }),
  });
  fc.assert(
    fc.property(fc.array(reply, { maxLength: 8 }), places, (replies, at) => {
      const bytes = Buffer.from(
        replies
          .flatMap(({ code, lines }) =>
            lines.map((line, i) => `${code}${i === lines.length - 1 ? ' ' : '-'}${line}\r\n`),
          )
          .join(''),
      );
      expect(read(cut(bytes, at))).toEqual({ replies, nonsense: undefined });
    }),
    { numRuns: 300 },
  );
});
