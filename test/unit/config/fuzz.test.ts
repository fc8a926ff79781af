// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written that way in a configuration

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mistakes, SMALL } from './example.ts';

const LINE = /^postern\.yaml:[1-9]\d*:[1-9]\d* \S.*: .*, .+$/;

/** Whatever the text is, it is taken or refused in lines of the one form; nothing else is thrown. */
function isTakenOrRefused(text: string): void {
  for (const line of mistakes(text)) expect(line).toMatch(LINE);
}

it('takes or refuses any text', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), isTakenOrRefused), { numRuns: 500 });
});

it('takes or refuses a configuration with a piece cut out, doubled or replaced', () => {
  const place = fc.nat({ max: SMALL.length });
  const piece = fc.oneof(
    fc.constantFrom(
      '',
      '{',
      '}',
      '[',
      ']',
      ':',
      '- ',
      '\n',
      '"',
      '&a ',
      '*a',
      '!!str ',
      '${',
      '${X}',
      '? ',
      '~',
      '\t',
      '0',
    ),
    place.chain((from) => place.map((to) => SMALL.slice(from, to))),
    fc.string({ unit: 'binary', maxLength: 5 }),
  );
  fc.assert(
    fc.property(place, fc.nat({ max: 40 }), piece, (at, cut, by) => {
      isTakenOrRefused(SMALL.slice(0, at) + by + SMALL.slice(at + cut));
    }),
    { numRuns: 2_000 },
  );
});

it('takes or refuses any value in the place of any other', () => {
  const scalars = [...SMALL.matchAll(/: ("[^"]*"|[\w./:-]+)/g)].map((match) => ({
    at: match.index + 2,
    text: match[1]!,
  }));
  const value = fc.oneof(
    fc.json(),
    fc.constantFrom('', '.nan', '-.inf', '0x1F', '1e9', '2026-01-01', '!!int "3"', '[[[]]]'),
  );
  fc.assert(
    fc.property(fc.constantFrom(...scalars), value, ({ at, text }, by) => {
      isTakenOrRefused(SMALL.slice(0, at) + by + SMALL.slice(at + text.length));
    }),
    { numRuns: 2_000 },
  );
});
