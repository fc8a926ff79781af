// A value that must not be printed. Wrapping it is what keeps secrets out of logs, errors, metrics and test
// output: every road from an object to text (string conversion, JSON, util.inspect, and with them pino and
// console) yields a placeholder, and only `reveal()` yields the value. Grep for `reveal(` to audit every use.

import { inspect } from 'node:util';

const PLACEHOLDER = '[secret]';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Callers hand it to a hash or a socket and to nothing else. */
  reveal(): string {
    return this.#value;
  }

  get isEmpty(): boolean {
    return this.#value.length === 0;
  }

  toString(): string {
    return PLACEHOLDER;
  }

  toJSON(): string {
    return PLACEHOLDER;
  }

  [inspect.custom](): string {
    return PLACEHOLDER;
  }
}
