// A form that may be carried out once: it has a token, and the second time that the token comes (a double click, a reload, the way
// back) gives what came of the first. Kept in this process, for as long as there is room; another process, or this one after
// a restart, finds by the name that there is such an app password already.

import { randomBytes } from 'node:crypto';

/** What a token has led to. */
export interface Made {
  readonly id: string;
  readonly name: string;
}

const MOST = 10_000;
const SHAPE = /^[A-Za-z0-9_-]{22}$/;

export class Once {
  readonly #most: number;
  readonly #works = new Map<string, Promise<Made | undefined>>();

  constructor(most = MOST) {
    this.#most = most;
  }

  /** For a new form. */
  token(): string {
    return randomBytes(16).toString('base64url');
  }

  /** Whether a form can have had it. */
  isToken(text: string): boolean {
    return SHAPE.test(text);
  }

  /**
   * Runs `work`, which gives undefined if nothing was made: then the token is good for another try. Gives what it gave and `first`;
   * for a token that has been used by that user, what came of it, without running `work`.
   */
  async run(
    user: string,
    token: string,
    work: () => Promise<Made | undefined>,
  ): Promise<{ readonly first: boolean; readonly made: Made | undefined }> {
    const key = `${user} ${token}`;
    for (let earlier = this.#works.get(key); earlier !== undefined; earlier = this.#works.get(key)) {
      const made = await earlier.catch(() => undefined);
      // Nothing was made: the token is free again, unless another of its forms was quicker.
      if (made !== undefined) return { first: false, made };
    }
    // What is kept is an id and a name, whatever else came with them.
    const working = work().then((made) => made && { id: made.id, name: made.name });
    this.#works.set(key, working);
    try {
      const made = await working;
      if (made === undefined) this.#works.delete(key);
      else this.#bound();
      return { first: true, made };
    } catch (error) {
      this.#works.delete(key);
      throw error;
    }
  }

  #bound(): void {
    for (const key of this.#works.keys()) {
      if (this.#works.size <= this.#most) return;
      this.#works.delete(key);
    }
  }
}
