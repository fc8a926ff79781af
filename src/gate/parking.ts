// Step 8 of the gate: a refusal is answered a constant time after its attempt came. Answers leave on a grid of ticks, so that the
// moment of an answer depends on when the attempt came and on nothing that was computed for it. Those of one tick leave in the order
// of their times too: in the order in which they were parked, who needed less work for them would be heard first.
//
// Where there is no place left, a connection is closed unanswered, and that too a constant time after its attempt came: its end
// tells as much as an answer does.
//
// A place is held until its time has come even if the client hangs up: hanging up early buys no further attempt.

import type { Clock } from '../lib/clock.ts';

/** Milliseconds between two ticks. */
const TICK = 10;

export interface ParkingBounds {
  readonly total: number;
  readonly perNetwork: number;
}

/** Monotonic milliseconds. */
export interface ParkingTimes {
  /** When to answer. */
  readonly due: number;
  /** When to close unanswered, if there is no place left. */
  readonly closed: number;
}

interface Parked {
  /** Null: it has no place, and is to be closed unanswered. */
  readonly network: string | null;
  readonly time: number;
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
   * Resolves with true at the first tick that is not before `due`; with false at the first that is not before `closed` if there is
   * no place left: then the connection is closed unanswered.
   */
  park(network: string, { due, closed }: ParkingTimes): Promise<boolean> {
    const held = this.#perNetwork.get(network) ?? 0;
    const isFull = this.#total >= this.#bounds.total || held >= this.#bounds.perNetwork;
    if (isFull) return this.#until(closed, null);
    this.#total++;
    this.#perNetwork.set(network, held + 1);
    return this.#until(due, network);
  }

  /** Everything that waits is closed unanswered. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [tick, parked] of this.#byTick) this.#releaseAll(tick, parked, false);
  }

  #until(time: number, network: string | null): Promise<boolean> {
    const tick = Math.ceil(time / TICK);
    return new Promise((release) => {
      const parked = this.#byTick.get(tick);
      if (parked === undefined) this.#byTick.set(tick, [{ network, time, release }]);
      else parked.push({ network, time, release });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#byTick.size === 0) return;
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
    for (const { network, release } of parked.toSorted((a, b) => a.time - b.time)) {
      if (network === null) {
        release(false);
        continue;
      }
      this.#total--;
      const left = (this.#perNetwork.get(network) ?? 1) - 1;
      if (left === 0) this.#perNetwork.delete(network);
      else this.#perNetwork.set(network, left);
      release(answer);
    }
  }
}
