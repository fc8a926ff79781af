// YAML text → plain values, and a mark for where each stands. Only what a configuration needs: one document of maps with
// string keys, lists and scalars of YAML 1.2's core schema; anchors and aliases, within a bound.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type ParsedNode,
  parseDocument,
} from 'yaml';
import { interpolate } from './interpolate.ts';
import { formatPath, type Path, type Problems } from './problems.ts';
import { yamlMistake } from './yaml-mistake.ts';

/** More than any configuration has, and little enough that aliases of aliases stay cheap. */
const MOST_NODES = 20_000;
const MOST_DEPTH = 32;

/**
 * The file's values, with variables substituted in the sections that are read; whatever is wrong is in `problems`. Undefined if there is nothing to
 * go on with. A key without a value is there with the value undefined: the same as left out, but not unknown.
 */
export function readDocument(
  text: string,
  env: NodeJS.ProcessEnv,
  problems: Problems,
  isRead: (section: string) => boolean = () => true,
): unknown {
  const document = parse(text, problems);
  if (!document) return undefined;
  const root = document.contents as ParsedNode | null;
  if (root === null || (isScalar(root) && root.value === null)) {
    problems.atOffset(
      'file',
      0,
      'is empty, must hold at least hostname, store, keys, listeners, upstreams and routes',
    );
    return undefined;
  }
  return new Reader(document, env, problems, isRead).read(root, []);
}

function parse(text: string, problems: Problems): Document | undefined {
  try {
    const document = parseDocument(text, { version: '1.2', prettyErrors: false, uniqueKeys: false });
    const mistake = yamlMistake(text, [...document.errors, ...document.warnings]);
    if (mistake) problems.atOffset('yaml', mistake.offset, mistake.message);
    const version = document.directives?.yaml;
    if (version?.explicit && version.version !== '1.2') {
      problems.atOffset('yaml', 0, `is declared as version ${version.version}, must be 1.2`);
    }
    return problems.isEmpty ? document : undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.atOffset('yaml', 0, `is nested too deeply, must have at most ${MOST_DEPTH} levels`);
    return undefined;
  }
}

class Reader {
  readonly #document: Document;
  readonly #env: NodeJS.ProcessEnv;
  readonly #problems: Problems;
  readonly #isRead: (section: string) => boolean;
  #nodes = 0;
  #overflowed = false;

  constructor(
    document: Document,
    env: NodeJS.ProcessEnv,
    problems: Problems,
    isRead: (section: string) => boolean,
  ) {
    this.#document = document;
    this.#isRead = isRead;
    this.#env = env;
    this.#problems = problems;
  }

  read(node: Node | null, path: Path, key?: number): unknown {
    const at = node?.range?.[0] ?? key ?? 0;
    this.#problems.mark(path, { key, value: at, substituted: undefined });
    if (!this.#withinBounds(path)) return undefined;
    const target = isAlias(node) ? node.resolve(this.#document) : node;
    if (target === undefined) {
      this.#problems.atValue(path, 'is an alias of nothing, must be quoted if it is to begin with *');
    }
    if (isMap(target)) return this.#map(target.items as MapItem[], path);
    if (isSeq(target)) return target.items.map((item, index) => this.read(item as Node, [...path, index]));
    if (isScalar(target)) return this.#scalar(target.value, path, key, at);
    return undefined;
  }

  #map(items: readonly MapItem[], path: Path): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (const { key, value } of items) {
      const offset = key?.range?.[0] ?? 0;
      const name = isScalar(key) ? (key.source ?? String(key.value)) : undefined;
      if (name === undefined || name === '__proto__') {
        this.#problems.atOffset(
          formatPath(path),
          offset,
          'has a key that is no word, must have words as keys',
        );
      } else if (Object.hasOwn(map, name)) {
        const message = 'is written twice, must be written once';
        this.#problems.atOffset(formatPath([...path, name]), offset, message);
      } else {
        const content = this.read(value, [...path, name], offset);
        map[name] = content === null ? undefined : content;
      }
    }
    return map;
  }

  #scalar(value: unknown, path: Path, key: number | undefined, at: number): unknown {
    if (typeof value !== 'string' || !this.#isRead(String(path[0]))) return value;
    const { text, substituted, mistakes } = interpolate(value, this.#env);
    if (mistakes.length > 0) this.#problems.atValue(path, mistakes.join('; '));
    if (substituted) this.#problems.mark(path, { key, value: at, substituted: value });
    return text;
  }

  #withinBounds(path: Path): boolean {
    this.#nodes += 1;
    if (this.#overflowed) return false;
    this.#overflowed = this.#nodes > MOST_NODES || path.length > MOST_DEPTH;
    if (this.#overflowed) {
      const what =
        this.#nodes > MOST_NODES ? `more than ${MOST_NODES} values` : `more than ${MOST_DEPTH} levels`;
      this.#problems.atOffset(
        'yaml',
        0,
        `unfolds to ${what}, must be smaller (do its aliases repeat themselves?)`,
      );
    }
    return !this.#overflowed;
  }
}

interface MapItem {
  readonly key: Node | null;
  readonly value: Node | null;
}
