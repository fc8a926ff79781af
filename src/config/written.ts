// A place in the configuration as it was written, for rules that look at more than one key. Rules run whether or not the
// schema found mistakes, so every reading may come back undefined, and a rule has nothing to say about what is not there.

import type { Path, Problems } from './problems.ts';

export class Written {
  readonly value: unknown;
  readonly path: Path;
  readonly #problems: Problems;

  constructor(value: unknown, path: Path, problems: Problems) {
    this.value = value;
    this.path = path;
    this.#problems = problems;
  }

  /** What stands under a key, whether or not it is there. */
  get(key: string): Written {
    const { value } = this;
    const has =
      typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, key);
    return new Written(
      has ? (value as Record<string, unknown>)[key] : undefined,
      [...this.path, key],
      this.#problems,
    );
  }

  items(): Written[] {
    if (!Array.isArray(this.value)) return [];
    return this.value.map((item, index) => new Written(item, [...this.path, index], this.#problems));
  }

  entries(): [name: string, value: Written][] {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    return Object.keys(value).map((name) => [name, this.get(name)]);
  }

  get isWritten(): boolean {
    return this.value !== undefined;
  }

  /** Whether variables are in it, which may hold what nobody is to read. */
  get isSubstituted(): boolean {
    return this.#problems.markOf(this.path)?.substituted !== undefined;
  }

  get text(): string | undefined {
    return typeof this.value === 'string' ? this.value : undefined;
  }

  /** Reports this value; the message is "is …, must be …". */
  wrong(message: string): void {
    this.#problems.atValue(this.path, message);
  }

  /** Reports that this key should not be here. */
  wrongKey(message: string): void {
    this.#problems.atKey(this.path, message);
  }
}

/** Reports that a secret stands neither in its key nor in the file that `<key>File` names. */
export function needsSecret(section: Written, key: string): void {
  if (section.get(key).isWritten || section.get(`${key}File`).isWritten) return;
  section.get(key).wrong(`is missing, must be set here or in a file that ${key}File names`);
}
