// Whose turn it is to have a name looked up. Strangers can ask as many as they like, and a directory may be slow: so each network has a
// few questions under way at most, and where all places are taken networks wait for their turns, the wide ones among each other first
// (lib/fair-line.ts), instead of being turned away by those who came before them.

import { FairLine } from '../../lib/fair-line.ts';

/** Under way. */
const MOST = 64;
const MOST_FROM_A_NETWORK = 8;
/** Waiting. */
const MOST_WAITING = 10_000;
const MOST_WAITING_FROM_A_NETWORK = 100;

interface Waiting {
  hasGone: boolean;
  readonly settle: (hasTurn: boolean) => void;
}

export class NameTurns {
  readonly #underWay = new Map<string, number>();
  readonly #line = new FairLine<Waiting>();
  #taken = 0;

  /** Resolves with true when the turn has come, and then `leave` is called once; with false after `patience` milliseconds, or at once if too many wait. */
  enter(network: string, patience: number): Promise<boolean> {
    // Of those who wait nobody could take it: their networks have as many as they may.
    if (this.#taken < MOST && this.#mayBegin(network)) {
      this.#begin(network);
      return Promise.resolve(true);
    }
    const isFull = this.#line.length >= MOST_WAITING;
    if (isFull || this.#line.lengthOf(network) >= MOST_WAITING_FROM_A_NETWORK) return Promise.resolve(false);
    return new Promise((settle) => {
      const waiting: Waiting = {
        hasGone: false,
        settle: (hasTurn) => {
          clearTimeout(timer);
          settle(hasTurn);
        },
      };
      const timer = setTimeout(() => {
        waiting.hasGone = true;
        settle(false);
      }, patience);
      this.#line.push(network, waiting);
    });
  }

  leave(network: string): void {
    this.#taken--;
    const left = (this.#underWay.get(network) ?? 1) - 1;
    if (left === 0) this.#underWay.delete(network);
    else this.#underWay.set(network, left);
    while (this.#taken < MOST) {
      let whose = '';
      const next = this.#line.shift((waiting) => {
        whose = waiting;
        return this.#mayBegin(waiting);
      });
      if (next === undefined) return;
      if (next.hasGone) continue;
      this.#begin(whose);
      next.settle(true);
    }
  }

  #mayBegin(network: string): boolean {
    return (this.#underWay.get(network) ?? 0) < MOST_FROM_A_NETWORK;
  }

  #begin(network: string): void {
    this.#taken++;
    this.#underWay.set(network, (this.#underWay.get(network) ?? 0) + 1);
  }
}
