// What was measured: for each case, variant, contender and metric one value a round.

import type { ContenderName } from './contenders/contender.ts';
import { median } from './statistics.ts';

export interface Measurement {
  readonly case: string;
  readonly variant: string;
  /** `yardstick`: what the bench itself does, to compare with. */
  readonly contender: ContenderName | 'yardstick';
  readonly metric: string;
  readonly values: number[];
}

export class Measurements {
  readonly all: Measurement[] = [];

  add(where: Omit<Measurement, 'values'>, value: number): void {
    const found = this.find(where);
    if (found === undefined) this.all.push({ ...where, values: [value] });
    else found.values.push(value);
  }

  /** Undefined for what was not measured in this run. */
  median(where: Omit<Measurement, 'values'>): number | undefined {
    const found = this.find(where);
    return found === undefined ? undefined : median(found.values);
  }

  find(where: Omit<Measurement, 'values'>): Measurement | undefined {
    return this.all.find(
      (each) =>
        each.case === where.case &&
        each.variant === where.variant &&
        each.contender === where.contender &&
        each.metric === where.metric,
    );
  }
}
