// The queries on the portal's tables. What runs them, and on which connection, is the store's business.

import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { User } from '../lib/user.ts';
import type { AuditRecord, PortalSession, PortalStore, UserSummary, WhichAudit } from './portal-store.ts';
import type { AuditTable, PortalSessionsTable, Schema } from './schema.ts';

type Queries = Kysely<Schema> | Transaction<Schema>;

export async function addPortalSession(
  db: Transaction<Schema>,
  session: PortalSession,
  most: number,
): Promise<boolean> {
  const user = await db
    .selectFrom('users')
    .where('name', '=', session.user)
    .select('disabled_at')
    .executeTakeFirst();
  if (user !== undefined && user.disabled_at !== null) return false;
  await db
    .insertInto('portal_sessions')
    .values({
      id: session.id,
      user_name: session.user,
      is_admin: session.isAdmin ? 1 : 0,
      signed_in_at: session.signedInAt,
      created_at: session.createdAt,
      seen_at: session.seenAt,
    })
    .execute();
  await db
    .deleteFrom('portal_sessions')
    .where('user_name', '=', session.user)
    .where('id', 'not in', (inner) =>
      inner
        .selectFrom('portal_sessions')
        .where('user_name', '=', session.user)
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .limit(most)
        .select('id'),
    )
    .execute();
  return true;
}

export async function portalSession(db: Queries, id: string): Promise<PortalSession | undefined> {
  const row = await db
    .selectFrom('portal_sessions')
    .leftJoin('users', 'users.name', 'portal_sessions.user_name')
    .where('portal_sessions.id', '=', id)
    .where('users.disabled_at', 'is', null)
    .selectAll('portal_sessions')
    .executeTakeFirst();
  return row && toSession(row);
}

export async function touchPortalSession(db: Queries, id: string, seenAt: number): Promise<void> {
  await db
    .updateTable('portal_sessions')
    .set({ seen_at: seenAt })
    .where('id', '=', id)
    .where('seen_at', '<', seenAt)
    .execute();
}

export async function endPortalSessions(
  db: Queries,
  which: { readonly id: string } | { readonly user: User },
): Promise<number> {
  const all = db.deleteFrom('portal_sessions');
  const chosen = 'id' in which ? all.where('id', '=', which.id) : all.where('user_name', '=', which.user);
  return Number((await chosen.executeTakeFirstOrThrow()).numDeletedRows);
}

export async function addAudit(db: Queries, record: AuditRecord): Promise<void> {
  await db
    .insertInto('audit')
    .values({
      id: record.id,
      at: record.at,
      by_name: record.by,
      user_name: record.user,
      action: record.action,
      from_address: record.from,
      password_id: record.passwordId,
      password_name: record.name,
      detail: record.detail,
    })
    .execute();
}

export async function audit(db: Queries, which: WhichAudit): Promise<AuditRecord[]> {
  const { user, domain, since, actions, most } = which;
  let query = db.selectFrom('audit').selectAll();
  if (user !== undefined)
    query = query.where((where) => where.or([where('user_name', '=', user), where('by_name', '=', user)]));
  if (domain !== undefined) {
    const pattern = `%@${asPattern(domain)}`;
    query = query.where(
      sql<boolean>`(user_name like ${pattern} escape '\\' or by_name like ${pattern} escape '\\')`,
    );
  }
  if (since !== undefined) query = query.where('at', '>=', since);
  if (actions !== undefined) query = query.where('action', 'in', actions);
  const rows = await query.orderBy('at', 'desc').orderBy('id', 'desc').limit(most).execute();
  return rows.map(toAudit);
}

export async function purgePortal(
  db: Queries,
  { seenBefore, createdBefore, auditBefore }: Parameters<PortalStore['purgePortal']>[0],
): Promise<number> {
  const sessions = await db
    .deleteFrom('portal_sessions')
    .where((where) => where.or([where('seen_at', '<', seenBefore), where('created_at', '<', createdBefore)]))
    .executeTakeFirstOrThrow();
  const records = await db.deleteFrom('audit').where('at', '<', auditBefore).executeTakeFirstOrThrow();
  return Number(sessions.numDeletedRows + records.numDeletedRows);
}

/** `users` has a row for each user that ever had a record. */
export async function searchUsers(db: Queries, text: string, most: number): Promise<UserSummary[]> {
  const pattern = `%${asPattern(text.toLowerCase())}%`;
  const rows = await db
    .selectFrom('users')
    .leftJoin('records', (join) =>
      join.onRef('records.user_name', '=', 'users.name').on('records.revoked_at', 'is', null),
    )
    .where(sql<boolean>`users.name like ${pattern} escape '\\'`)
    .groupBy(['users.name', 'users.disabled_at'])
    .orderBy('users.name')
    .limit(most)
    .select(['users.name', 'users.disabled_at', sql<number>`count(records.id)`.as('passwords')])
    .execute();
  return rows.map((row) => ({
    user: row.name as User,
    isDisabled: row.disabled_at !== null,
    passwords: Number(row.passwords),
  }));
}

/** For LIKE with `escape '\\'`: the text itself. */
function asPattern(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

function toSession(row: Selectable<PortalSessionsTable>): PortalSession {
  return {
    id: row.id,
    user: row.user_name as User,
    isAdmin: Number(row.is_admin) === 1,
    signedInAt: Number(row.signed_in_at),
    createdAt: Number(row.created_at),
    seenAt: Number(row.seen_at),
  };
}

function toAudit(row: Selectable<AuditTable>): AuditRecord {
  return {
    id: row.id,
    at: Number(row.at),
    by: row.by_name,
    user: row.user_name as User | null,
    action: row.action,
    from: row.from_address,
    passwordId: row.password_id,
    name: row.password_name,
    detail: row.detail,
  };
}
