// `routes[].directory`: what clients may do in the directory.

import { choice, duration, integer, listOf, section } from '../values.ts';

export const DIRECTORY_OPERATIONS = [
  'search',
  'compare',
  'add',
  'delete',
  'modify',
  'modifyDn',
  'passwordModify',
] as const;

export const directorySchema = section({
  operations: listOf(choice(DIRECTORY_OPERATIONS))
    .prefault(['search', 'compare'])
    .describe(
      'What they may do: `search` and `compare` read; `add`, `delete`, `modify`, `modifyDn` and `passwordModify` (RFC 3062) write. Binding and “Who am I” always go.',
    ),
  maxEntries: integer(1, 2_147_483_647)
    .optional()
    .describe('The most entries that a search gives. Default: what the directory allows.'),
  maxTime: duration('1s', '1d')
    .optional()
    .describe('The longest that a search takes. Default: what the directory allows.'),
});
