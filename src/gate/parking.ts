// Step 8 of the gate: a refusal is answered a constant time after its attempt came. Answers leave on a grid of ticks, so that the
// moment of an answer depends on when the attempt came and on nothing that was computed for it. Those of one tick leave in the order
// of their times too: in the order in which they were parked, who needed less work for them would be heard first.
//
// A place is held until its time has come even if the client hangs up: hanging up early buys no further attempt.

import type { Clock } from '../lib/clock.ts';

/** Milliseconds between two ticks. */
const TICK = 10;

export interface ParkingBounds {
  readonly total: number;
  readonly perNetwork: number;
}

interface Parked {
  readonly network: string;
  readonly due: number;
  readonly release: (answer: boolean) => void;
}

export class Parking implements Disposable {
  #bounds: ParkingBounds;
  readonly #clock: Clock;
  readonly #byTick = new Map<number, Parked[]>();
  readonly #perNetwork = new Map<string, number>();
  #total = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(bounds: ParkingBounds, clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
  }

  get length(): number {
    return this.#total;
  }

  /** Other bounds from now on. Who waits goes on waiting. */
  configure(bounds: ParkingBounds): void {
    this.#bounds = bounds;
  }

  /**
   * Resolves at the first tick that is not before `due` (monotonic milliseconds) with true; at once with false if there is
   * no place left: then the connection is closed unanswered.
   */
  park(network: string, due: number): Promise<boolean> {
    const held = this.#perNetwork.get(network) ?? 0;
    if (this.#total >= this.#bounds.total || held >= this.#bounds.perNetwork) return Promise.resolve(false);
    this.#total++;
    this.#perNetwork.set(network, held + 1);
    const tick = Math.ceil(due / TICK);
    return new Promise((release) => {
      const parked = this.#byTick.get(tick);
      if (parked === undefined) this.#byTick.set(tick, [{ network, due, release }]);
      else parked.push({ network, due, release });
      this.#schedule();
    });
  }

  /** Everything that waits is closed unanswered. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [tick, parked] of this.#byTick) this.#releaseAll(tick, parked, false);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#total === 0) return;
    const now = this.#clock.monotonic();
    const toNextTick = Math.ceil((Math.floor(now / TICK) + 1) * TICK - now);
    this.#timer = setTimeout(() => this.#onTick(), toNextTick);
  }

  #onTick(): void {
    this.#timer = undefined;
    const current = this.#clock.monotonic() / TICK;
    // Ticks are few: at most the constant delay divided by TICK.
    for (const [tick, parked] of this.#byTick) if (tick <= current) this.#releaseAll(tick, parked, true);
    this.#schedule();
  }

  #releaseAll(tick: number, parked: readonly Parked[], answer: boolean): void {
    this.#byTick.delete(tick);
    for (const { network, release } of parked.toSorted((a, b) => a.due - b.due)) {
      this.#total--;
      const left = (this.#perNetwork.get(network) ?? 1) - 1;
      if (left === 0) this.#perNetwork.delete(network);
      else this.#perNetwork.set(network, left);
      release(answer);
    }
  }
}
