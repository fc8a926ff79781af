// Which app passwords `password list` shows: by state, use, expiry and protocol.

import { Option } from 'commander';
import { UsageError } from '../lib/errors.ts';
import { PROTOCOLS, type Protocol } from '../lib/protocol.ts';
import type { PasswordRecord } from '../passwords/record.ts';
import { parseLength } from './moment.ts';

/** The first that fits. */
export const STATES = ['revoked', 'expired', 'disabled', 'active'] as const;
export type State = (typeof STATES)[number];

/** A record and whether its user is disabled. */
export interface Listed {
  readonly record: PasswordRecord;
  readonly userDisabled: boolean;
}

export function stateOf({ record, userDisabled }: Listed, now: number): State {
  if (record.revokedAt !== null) return 'revoked';
  if (record.expiresAt !== null && record.expiresAt <= now) return 'expired';
  return userDisabled ? 'disabled' : 'active';
}

export interface FilterOptions {
  readonly state?: State;
  readonly unusedFor?: string;
  readonly neverUsed?: boolean;
  readonly expiresWithin?: string;
  readonly protocol?: Protocol;
}

export const FILTERS = [
  new Option('--state <state>', 'only those in this state').choices(STATES),
  new Option('--unused-for <90d>', 'only those not used for so long, nor made since'),
  new Option('--never-used', 'only those that were never used'),
  new Option('--expires-within <14d>', 'only those that will expire within so long'),
  new Option('--protocol <protocol>', 'only those that are good for it').choices(PROTOCOLS),
];

/** Of those that ask how one is used or when it ends, who asks means those that can still be used. */
const USABLE: readonly State[] = ['active', 'disabled'];

/** Whether a record is to be shown. Throws UsageError for what cannot be read. */
export function filterOf(options: FilterOptions, now: number): (listed: Listed) => boolean {
  const { state, neverUsed = false, protocol } = options;
  const unusedFor =
    options.unusedFor === undefined ? undefined : parseLength('--unused-for', options.unusedFor);
  const expiresWithin =
    options.expiresWithin === undefined ? undefined : parseLength('--expires-within', options.expiresWithin);
  if (expiresWithin !== undefined && (state === 'expired' || state === 'revoked')) {
    throw new UsageError(`--expires-within is about what has not ended: not together with --state ${state}`);
  }
  const isOfUse = unusedFor !== undefined || neverUsed || expiresWithin !== undefined;
  const states: readonly State[] = state !== undefined ? [state] : isOfUse ? USABLE : STATES;
  return (listed) => {
    const { createdAt, expiresAt, lastUsed, scope } = listed.record;
    return (
      states.includes(stateOf(listed, now)) &&
      (unusedFor === undefined || now - Math.max(createdAt, lastUsed?.at ?? 0) >= unusedFor) &&
      (!neverUsed || lastUsed === null) &&
      (expiresWithin === undefined || (expiresAt !== null && expiresAt - now <= expiresWithin)) &&
      (protocol === undefined || scope === null || scope.includes(protocol))
    );
  };
}
