// Everything that is wrong with a configuration, collected so that all of it is printed at once, each in the form
// `postern.yaml:LINE:COLUMN section.key: what is wrong, what would be right`.

import { LineCounter } from 'yaml';

export type Path = readonly (string | number)[];

/** Where something stands in the file: offsets into its text. */
export interface Mark {
  /** Of the key; undefined for list items and the root. */
  readonly key: number | undefined;
  readonly value: number;
  /** The text as written, if variables were substituted in it: shown instead of what they hold. */
  readonly substituted: string | undefined;
}

interface Problem {
  readonly offset: number;
  readonly message: string;
}

export class Problems {
  readonly #fileName: string;
  readonly #lines = new LineCounter();
  readonly #marks = new Map<string, Mark>();
  readonly #found = new Map<string, Problem>();
  /** Of values that are allowed, each as `section.key: what, and what of it`. */
  readonly doubts: string[] = [];

  constructor(fileName: string, text: string) {
    this.#fileName = fileName;
    this.#lines.addNewLine(0);
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
      this.#lines.addNewLine(at + 1);
    }
  }

  mark(path: Path, mark: Mark): void {
    this.#marks.set(JSON.stringify(path), mark);
  }

  markOf(path: Path): Mark | undefined {
    return this.#marks.get(JSON.stringify(path));
  }

  /** A mistake in the value at `path` (or, if it is missing, in what it should be part of). The first one of each path counts. */
  atValue(path: Path, message: string): void {
    this.#add(path, this.#valueOffset(path), message);
  }

  /** A mistake in the key at the end of `path`. */
  atKey(path: Path, message: string): void {
    this.#add(path, this.markOf(path)?.key ?? this.#valueOffset(path), message);
  }

  /** A mistake of no value: of the file as a whole (`file`), of its YAML (`yaml`), of a key that cannot be one. */
  atOffset(section: string, offset: number, message: string): void {
    this.#found.set(`${section} ${offset}`, { offset, message: `${section}: ${message}` });
  }

  /** Whether something is known to be wrong at `path`. */
  has(path: Path): boolean {
    return this.#found.has(JSON.stringify(path));
  }

  /** Something that is allowed, and deserves a second look. */
  doubt(path: Path, message: string): void {
    this.doubts.push(`${formatPath(path)}: ${message}`);
  }

  get isEmpty(): boolean {
    return this.#found.size === 0;
  }

  /** Complete lines, in the order of the file. */
  messages(): string[] {
    return [...this.#found.values()]
      .sort((a, b) => a.offset - b.offset)
      .map(({ offset, message }) => {
        const { line, col } = this.#lines.linePos(offset);
        return `${this.#fileName}:${line}:${col} ${message}`;
      });
  }

  #add(path: Path, offset: number, message: string): void {
    const id = JSON.stringify(path);
    if (!this.#found.has(id)) this.#found.set(id, { offset, message: `${formatPath(path)}: ${message}` });
  }

  #valueOffset(path: Path): number {
    for (let length = path.length; length >= 0; length -= 1) {
      const mark = this.markOf(path.slice(0, length));
      if (mark) return length === path.length ? mark.value : (mark.key ?? mark.value);
    }
    return 0;
  }
}

/** `listeners[0].tls`; keys that are not words are quoted; the root is `file`. */
export function formatPath(path: Path): string {
  if (path.length === 0) return 'file';
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z0-9_][\w-]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${quote(step)}]`;
  }
  return text;
}

/** A piece of the file as one short line: quoted, invisible characters escaped. */
export function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return JSON.stringify(short).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    return [...character].map((c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`).join('');
  });
}
