// Rows to records and back.

import type { Insertable, Selectable } from 'kysely';
import { PROTOCOLS, type Protocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';
import type { PasswordRecord, Use } from '../passwords/record.ts';
import type { RecordsTable } from './schema.ts';
import type { NewRecord } from './store.ts';

export function toRow(record: NewRecord): Insertable<RecordsTable> {
  return {
    id: record.id,
    user_name: record.user,
    name: record.name,
    key_id: record.keyId,
    selector: record.selector,
    hash: record.hash,
    scope: record.scope === null ? null : record.scope.join(','),
    networks: record.networks.join(','),
    created_at: record.createdAt,
    expires_at: record.expiresAt,
  } as Insertable<RecordsTable>;
}

/** PostgreSQL gives a bigint as text: `number` reads both. */
export function toRecord(row: Selectable<RecordsTable>): PasswordRecord {
  return {
    id: row.id,
    user: row.user_name as User,
    name: row.name,
    keyId: row.key_id,
    selector: row.selector,
    hash: row.hash,
    scope: row.scope === null ? null : row.scope.split(',').filter(isProtocol),
    networks: row.networks === '' ? [] : row.networks.split(','),
    createdAt: Number(row.created_at),
    expiresAt: number(row.expires_at),
    revokedAt: number(row.revoked_at),
    lastUsed: toUse(row.used_at, row.used_from, row.used_protocol, row.used_client),
    lastRefused: toUse(row.refused_at, row.refused_from, row.refused_protocol, row.refused_client),
  };
}

function toUse(
  at: number | null,
  from: string | null,
  protocol: string | null,
  client: string | null,
): Use | null {
  if (at === null || from === null || protocol === null) return null;
  return { at: Number(at), from, protocol: protocol as Protocol, client };
}

export function number(value: number | null): number | null {
  return value === null ? null : Number(value);
}

function isProtocol(text: string): text is Protocol {
  return (PROTOCOLS as readonly string[]).includes(text);
}
