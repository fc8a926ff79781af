// The blocks of the documents that say what to do, with the mark before each: an HTML comment, which no reader sees.
//
//   <!-- run on MACHINE -->                         a shell runs it, and it has to end well
//   <!-- run on MACHINE, print to OTHER: PATH -->   the same; the last line that it prints becomes that file
//   <!-- start on MACHINE -->                       it stays
//   <!-- type on MACHINE -->                        each line is a command of its own, which asks for something
//   <!-- file on MACHINE: PATH -->                  it is that file
//   <!-- merge on MACHINE: PATH -->                 YAML: lists are added to, maps too, routes are replaced
//   <!-- not run -->                                NOT_RUN in test/unit/docs/runnable.test.ts says why

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const RUN_DOCUMENTS = ['README.md', 'docs/ldap.md', 'docs/operations.md', 'docs/upgrade.md'] as const;

export interface Block {
  readonly document: string;
  readonly language: string;
  readonly text: string;
  readonly mark: Mark | undefined;
}

export interface Mark {
  readonly how: 'run' | 'start' | 'type' | 'file' | 'merge' | 'not run';
  readonly machine: string;
  readonly path: string | undefined;
  /** `print to`. */
  readonly target: { readonly machine: string; readonly path: string } | undefined;
}

const BLOCK = /(?:^<!-- ([^\n]*) -->\n)?^```([a-z]*)\n(.*?)^```$/gms;
const MARK = /^(run|start|type|file|merge) on (\w+)(?:: (\S+)|, print to (\w+): (\S+))?$/;

/** In the order in which they stand. Throws for a mark that is none of the above. */
export function blocksOf(document: string): Block[] {
  const text = readFileSync(join(import.meta.dirname, '..', '..', document), 'utf8');
  return [...text.matchAll(BLOCK)].map(([, comment, language, body]) => ({
    document,
    language: language!,
    text: body!,
    mark: comment === undefined ? undefined : markOf(comment),
  }));
}

function markOf(comment: string): Mark {
  if (comment === 'not run') return { how: 'not run', machine: '', path: undefined, target: undefined };
  const match = MARK.exec(comment);
  if (match === null) throw new Error(`no mark that is known: ${comment}`);
  const [, how, machine, path, other, otherPath] = match;
  const target = other === undefined ? undefined : { machine: other, path: otherPath! };
  return { how: how as Mark['how'], machine: machine!, path, target };
}
