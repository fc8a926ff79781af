// The first tables: records of app passwords, users, and the revision that tells processes of revocations.

import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('records')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('user_name', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('key_id', 'text', (column) => column.notNull())
    .addColumn('selector', 'integer', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('scope', 'text')
    .addColumn('networks', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint')
    .addColumn('revoked_at', 'bigint')
    .addColumn('used_at', 'bigint')
    .addColumn('used_from', 'text')
    .addColumn('used_protocol', 'text')
    .addColumn('used_client', 'text')
    .addColumn('refused_at', 'bigint')
    .addColumn('refused_from', 'text')
    .addColumn('refused_protocol', 'text')
    .addColumn('refused_client', 'text')
    .addCheckConstraint('records_selector', sql`selector between 0 and 65535`)
    .execute();
  // A selector leads to at most one record of a user; also how a user's records are found.
  await db.schema
    .createIndex('records_selector_unique')
    .on('records')
    .columns(['user_name', 'key_id', 'selector'])
    .unique()
    .execute();
  await db.schema
    .createIndex('records_tombstones')
    .on('records')
    .columns(['revoked_at'])
    .where(sql.ref('revoked_at'), 'is not', null)
    .execute();
  await db.schema
    .createTable('users')
    .addColumn('name', 'text', (column) => column.primaryKey().notNull())
    .addColumn('disabled_at', 'bigint')
    .execute();
  await db.schema
    .createTable('revision')
    .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .execute();
  await sql`insert into revision (id, revision) values (1, 0)`.execute(db);
}
