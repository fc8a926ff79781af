// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written that way in a configuration

// What it takes to add a key to the configuration: one entry in a section, with a comment. It is parsed, typed, printed and
// documented by that.

import { expect, it } from 'vitest';
import { keyEntries, writtenSchema } from '../../../src/config/json-schema.ts';
import { withKeyComments } from '../../../src/config/key-comments.ts';
import { parseAs } from '../../../src/config/load.ts';
import { configReference } from '../../../src/config/reference.ts';
import { render } from '../../../src/config/render.ts';
import { ConfigError } from '../../../src/lib/errors.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { files, MASTER_PASSWORD, SMALL } from './example.ts';
import { extended } from './new-key.ts';

const read = (text: string) =>
  parseAs(extended, `${SMALL}${text}`, {
    file: '/etc/postern/postern.yaml',
    env: { PATIENCE: '90m' },
    readFile: files({ '/etc/postern/master': MASTER_PASSWORD, '/etc/postern/word': 'coo\n' }),
  });

it('is parsed into the type of its schema: times in milliseconds, paths absolute, secrets from their files', () => {
  const { pigeons } = read('pigeons: { patience: "${PATIENCE}", loft: ./loft, wordFile: ./word }\n');
  const typed: { patience: number; loft: string; word: Secret | null } = pigeons;
  expect(typed).toEqual({ patience: 5_400_000, loft: '/etc/postern/loft', word: new Secret('coo') });
  expect(typed.word?.reveal()).toBe('coo');
});

it('is refused with its place and what would be right', () => {
  const told = (text: string) => {
    try {
      read(text);
      return [];
    } catch (error) {
      return error instanceof ConfigError ? error.messages : [String(error)];
    }
  };
  expect(told('pigeons: { patience: 8d, loft: ./loft, wrd: x }\n')).toEqual([
    'postern.yaml:15:22 pigeons.patience: is "8d", must be a duration from 1s to 7d, such as 500ms, 60s, 35m or 1h',
    'postern.yaml:15:40 pigeons.wrd: is not a known key, did you mean word?',
  ]);
  expect(told('pigeons: { loft: ./loft, wordFile: ./words }\n')).toEqual([
    'postern.yaml:15:36 pigeons.wordFile: cannot be read (there is no such file), must be a file that Postern may read (/etc/postern/words)',
  ]);
});

it('is printed as it could be written, without what is secret', () => {
  const { file: _, doubts: __, ...config } = read('pigeons: { loft: ./loft, wordFile: ./word }\n');
  expect(render(extended, config).pigeons).toEqual({
    patience: '2h',
    loft: '/etc/postern/loft',
    word: '[secret]',
  });
});

it('is documented by the comment at it', () => {
  const written = withKeyComments(new URL('./new-key.ts', import.meta.url), (comments) =>
    writtenSchema((key) => comments.of('WrittenExtended', key), extended),
  );
  const keys = keyEntries(written).map(({ key }) => key);
  expect(keys.slice(-4)).toEqual(['pigeons.patience', 'pigeons.loft', 'pigeons.word', 'pigeons.wordFile']);
  const document = configReference(written).replaceAll(/ +/g, ' ');
  expect(document).toContain(
    '| `pigeons.patience` | duration | `2h` | How long a pigeon may be on its way. |',
  );
  expect(document).toContain(
    '| `pigeons.wordFile` | path | optional | A file that holds the word on one line. |',
  );
});
