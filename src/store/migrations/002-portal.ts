// What the portal needs: who is signed in, and the audit records of what was done.

import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('portal_sessions')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('user_name', 'text', (column) => column.notNull())
    .addColumn('is_admin', 'integer', (column) => column.notNull())
    .addColumn('signed_in_at', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('seen_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('portal_sessions_user')
    .on('portal_sessions')
    .columns(['user_name', 'created_at'])
    .execute();
  await db.schema.createIndex('portal_sessions_seen').on('portal_sessions').columns(['seen_at']).execute();
  await db.schema
    .createTable('audit')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('by_name', 'text')
    .addColumn('user_name', 'text')
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('from_address', 'text')
    .addColumn('password_id', 'text')
    .addColumn('password_name', 'text')
    .addColumn('detail', 'text')
    .execute();
  await db.schema.createIndex('audit_at').on('audit').columns(['at']).execute();
  await db.schema.createIndex('audit_user').on('audit').columns(['user_name', 'at']).execute();
}
