// What is refused at once while the event loop is late: from each network, every attempt that comes while another of the same
// network is under way. So a flood pays for itself, and somebody alone still gets in.

export class Shedding {
  readonly #eventLoop: { readonly isLate: boolean };
  readonly #underWay = new Map<string, number>();

  constructor(eventLoop: { readonly isLate: boolean }) {
    this.#eventLoop = eventLoop;
  }

  /** Takes the attempt in, until the result is called; undefined: it is to be refused. */
  enter(network: string): (() => void) | undefined {
    const underWay = this.#underWay.get(network) ?? 0;
    if (this.#eventLoop.isLate && underWay > 0) return undefined;
    this.#underWay.set(network, underWay + 1);
    return () => {
      const left = (this.#underWay.get(network) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(network);
      else this.#underWay.set(network, left);
    };
  }
}
