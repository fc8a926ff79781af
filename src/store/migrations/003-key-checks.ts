// A check value for each selector key that records were made with: whether a keys file still holds the same bytes under its id.

import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('key_checks')
    .addColumn('key_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('check_value', 'text', (column) => column.notNull())
    .execute();
}
