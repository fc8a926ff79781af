// `routes[].directory`: what clients may do in the directory.

import { listOf, optional, section } from '../shapes.ts';
import { choice, duration, integer } from '../values.ts';

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
  /**
   * What they may do: `search` and `compare` read; `add`, `delete`, `modify`, `modifyDn` and `passwordModify` (RFC
   * 3062) write. Binding and “Who am I” always go.
   */
  operations: listOf(choice(DIRECTORY_OPERATIONS)).prefault(['search', 'compare']),
  /** The most entries that a search gives. Default: what the directory allows. */
  maxEntries: optional(integer(1, 2_147_483_647)),
  /** The longest that a search takes. Default: what the directory allows. */
  maxTime: optional(duration('1s', '1d')),
});
