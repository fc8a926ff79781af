// Node gives every read of a socket a buffer of its own, outside V8's heap. V8 frees those that are done with when it collects
// the young generation, which it does when its own small objects fill that: in a transfer once in hundreds of MB. Long before, so
// much is outside that it collects the whole heap instead, twenty times and more per GB, which costs a quarter of all CPU, and
// more the more sessions there are. So the young generation is collected for every few MB that have passed: 0.3 ms each.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Bytes between two collections. What is outside is freed, and counted as free, one collection later; together it has to stay
 * below the 12 MB or so by which V8 lets a small heap grow before it collects all of it.
 */
const BETWEEN_COLLECTIONS = 4_000_000;

export class SpentBuffers {
  readonly #makeCollect: () => () => void;
  #collect: (() => void) | undefined;
  #bytes = 0;

  /** `makeCollect` is called once, when there is something to collect for the first time. */
  constructor(makeCollect: () => () => void = youngGenerationCollector) {
    this.#makeCollect = makeCollect;
  }

  /** A buffer with so many bytes was read and passed on. */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < BETWEEN_COLLECTIONS) return;
    this.#bytes = 0;
    this.#collect ??= this.#makeCollect();
    this.#collect();
  }
}

/** Of all splices: they share one heap. */
export const spentBuffers = new SpentBuffers();

type Collect = (options: { type: 'minor' }) => void;

/** What collects V8's young generation; does nothing if this V8 does not say how. */
export function youngGenerationCollector(): () => void {
  // The flag shows in contexts that are made while it is set.
  setFlagsFromString('--expose-gc');
  try {
    const collect = runInNewContext("typeof gc === 'function' ? gc : undefined") as Collect | undefined;
    const young = { type: 'minor' } as const;
    return collect === undefined ? () => {} : () => collect(young);
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
