// Step 6 of the gate: what a right secret is good for. Someone who knows it is not guessing, so none of these refusals counts against
// a network.

import { NetworkSet } from '../lib/network.ts';
import type { Protocol } from '../lib/protocol.ts';
import type { PasswordRecord } from '../passwords/record.ts';
import type { RefusedReason } from './verdict.ts';

export interface PolicyQuestion {
  readonly record: PasswordRecord;
  readonly userDisabled: boolean;
  readonly protocol: Protocol;
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Why a right secret is refused; undefined if it is not. */
export function policyRefusal(question: PolicyQuestion): RefusedReason | undefined {
  const { record, userDisabled, protocol, address, now } = question;
  if (record.revokedAt !== null) return 'revoked';
  if (userDisabled) return 'user_disabled';
  if (record.expiresAt !== null && record.expiresAt <= now) return 'expired';
  if (record.scope !== null && !record.scope.includes(protocol)) return 'wrong_protocol';
  if (record.networks.length > 0 && !new NetworkSet(record.networks).has(address)) return 'wrong_network';
  return undefined;
}
