// Whether the event loop keeps up. When each of its turns takes long, whatever comes in waits, and it is better to say no to new
// work than to be late for all of it.

import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds between two looks. */
const LOOK_INTERVAL = 1000;
/** Milliseconds of delay from which on a look is late, and below which it is in time; between them nothing changes. */
const LATE = 500;
const IN_TIME = 200;
/** Looks in a row that change the state. One late look may be a pause of the whole machine. */
const LOOKS = { toLate: 2, toInTime: 3 };
/** Milliseconds between two samples. */
const RESOLUTION = 20;

export interface EventLoopWatchOptions {
  /** The 99th percentile of the delay since the last call, in milliseconds. */
  readonly takeDelay?: () => number;
  readonly onChange?: (isLate: boolean, delay: number) => void;
}

export class EventLoopWatch implements Disposable {
  readonly #takeDelay: () => number;
  readonly #onChange: (isLate: boolean, delay: number) => void;
  readonly #timer: NodeJS.Timeout;
  #isLate = false;
  /** Looks in a row that spoke for the other state. */
  #against = 0;

  constructor({ takeDelay = measuredDelay(), onChange = () => {} }: EventLoopWatchOptions = {}) {
    this.#takeDelay = takeDelay;
    this.#onChange = onChange;
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL);
    this.#timer.unref();
  }

  get isLate(): boolean {
    return this.#isLate;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const delay = this.#takeDelay();
    const isAgainst = this.#isLate ? delay < IN_TIME : delay >= LATE;
    this.#against = isAgainst ? this.#against + 1 : 0;
    if (this.#against < (this.#isLate ? LOOKS.toInTime : LOOKS.toLate)) return;
    this.#against = 0;
    this.#isLate = !this.#isLate;
    this.#onChange(this.#isLate, delay);
  }
}

function measuredDelay(): () => number {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
  histogram.enable();
  return () => {
    // A sample is the time from one timer to the next, which is not all delay.
    const delay = histogram.count === 0 ? 0 : histogram.percentile(99) / 1e6 - RESOLUTION;
    histogram.reset();
    return Math.max(0, delay);
  };
}
