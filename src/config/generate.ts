// `node src/config/generate.ts` writes what is made from the configuration's schema and the comments at its keys:
// config/postern.schema.json and docs/config.md. A test fails when they differ from it.

import { writeFileSync } from 'node:fs';
import { editorSchema, writtenSchema } from './json-schema.ts';
import { withKeyComments } from './key-comments.ts';
import { configReference } from './reference.ts';

/** Of biome.json. */
const LINE_WIDTH = 110;

/** Path from the project's root → content. */
export function generatedFiles(): Record<string, string> {
  const schema = new URL('./schema.ts', import.meta.url);
  const written = withKeyComments(schema, (comments) =>
    writtenSchema((key) => comments.of('WrittenConfig', key)),
  );
  return {
    'config/postern.schema.json': `${json(editorSchema(written))}\n`,
    'docs/config.md': configReference(written),
  };
}

/** As Biome formats it: lists of words on one line, where they fit on one. */
function json(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /^(.*)\[\n\s+("[^"\n]*"(?:,\n\s+"[^"\n]*")*)\n\s+\](,?)$/gm,
    (list, before: string, words: string, comma: string) => {
      const line = `${before}[${words.replace(/,\n\s+/g, ', ')}]${comma}`;
      return line.length <= LINE_WIDTH ? line : list;
    },
  );
}

if (import.meta.main) {
  for (const [path, content] of Object.entries(generatedFiles())) {
    writeFileSync(new URL(`../../${path}`, import.meta.url), content);
  }
}
