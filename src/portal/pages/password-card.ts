// What the list says of one app password.

import type { Protocol } from '../../lib/protocol.ts';
import type { PasswordRecord, Use } from '../../passwords/record.ts';
import type { SessionEntry } from '../../sessions/live-sessions.ts';
import { en } from '../texts.ts';
import { scopeInWords } from './scopes.ts';

const DAY = 86_400_000;
const UNUSED_AFTER = 90 * DAY;
/** A deleted app password that a device tried within this time is still news. */
const GHOST_FOR = 30 * DAY;
const MOST_GHOSTS = 5;

export interface Card {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  readonly scope: { readonly title: string; readonly protocols: string };
  readonly networks: readonly string[];
  readonly expiresAt: number | null;
  readonly isExpired: boolean;
  readonly lastUsed: UseFacts | null;
  /** Neither used nor made within 90 days. */
  readonly isUnused: boolean;
  /** Connections that are open now. */
  readonly sessions: number;
  /** It was refused after it was last used. */
  readonly refused: (UseFacts & { readonly text: string }) | null;
}

/** A device that tries what is deleted. */
export interface Ghost extends UseFacts {
  readonly name: string;
}

export interface UseFacts {
  readonly at: number;
  /** `IMAP`. */
  readonly protocol: string;
  readonly from: string;
  /** What it calls itself; null: it does not say. */
  readonly client: string | null;
}

/** `usable`: the protocols that their user can use. Of the records that are not revoked, the one used last first, the never used after them, the newest first. */
export function cardsOf(
  records: readonly PasswordRecord[],
  sessions: readonly Pick<SessionEntry, 'passwordId' | 'state'>[],
  usable: readonly Protocol[],
  now: number,
): Card[] {
  const open = new Map<string, number>();
  for (const { passwordId, state } of sessions) {
    if (state === 'joined') open.set(passwordId, (open.get(passwordId) ?? 0) + 1);
  }
  return records
    .filter(({ revokedAt }) => revokedAt === null)
    .map((record) => cardOf(record, open.get(record.id) ?? 0, usable, now))
    .sort((a, b) => (b.lastUsed?.at ?? 0) - (a.lastUsed?.at ?? 0) || b.createdAt - a.createdAt);
}

function cardOf(record: PasswordRecord, sessions: number, usable: readonly Protocol[], now: number): Card {
  const { id, name, createdAt, networks, expiresAt, lastUsed, lastRefused } = record;
  const isExpired = expiresAt !== null && expiresAt <= now;
  const wasRefused = lastRefused !== null && lastRefused.at > (lastUsed?.at ?? 0);
  return {
    id,
    name,
    createdAt,
    scope: scopeInWords(record.scope, usable),
    networks,
    expiresAt,
    isExpired,
    lastUsed: lastUsed === null ? null : factsOf(lastUsed),
    isUnused: sessions === 0 && now - Math.max(createdAt, lastUsed?.at ?? 0) >= UNUSED_AFTER,
    sessions,
    refused: wasRefused
      ? { ...factsOf(lastRefused), text: isExpired ? en.list.refused.expired : en.list.refused.other }
      : null,
  };
}

/** The deleted ones that a device has tried since, of late; the latest first. */
export function ghostsOf(records: readonly PasswordRecord[], now: number): Ghost[] {
  return records
    .flatMap(({ name, revokedAt, lastRefused }) =>
      revokedAt !== null &&
      lastRefused !== null &&
      lastRefused.at > revokedAt &&
      now - lastRefused.at < GHOST_FOR
        ? { name, ...factsOf(lastRefused) }
        : [],
    )
    .sort((a, b) => b.at - a.at)
    .slice(0, MOST_GHOSTS);
}

function factsOf({ at, protocol, from, client }: Use): UseFacts {
  return { at, protocol: en.protocols[protocol], from, client };
}
