// The configuration with a section more, as somebody would add it.

import type { z } from 'zod';
import { configSchema } from '../../../src/config/schema.ts';
import { section } from '../../../src/config/shapes.ts';
import { duration, path, secret } from '../../../src/config/values.ts';

export const extended = configSchema.safeExtend({
  pigeons: section({
    /** How long a pigeon may be on its way. */
    patience: duration('1s', '7d').prefault('2h'),
    /** Where pigeons come home. */
    loft: path('./loft'),
    /** The word that a pigeon has to know. */
    word: secret({ example: './secrets/word', meaning: 'A file that holds the word on one line.' }),
  }),
});

/** For the documentation. */
export type WrittenExtended = z.input<typeof extended>;
