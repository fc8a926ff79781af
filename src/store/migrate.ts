// Brings the tables up to date. Each migration is a file of its own, is run once, in order, and is never edited after
// it was released. All that are missing run in one transaction that excludes other writers from its start, so of
// several processes that start at once one migrates and the others find it done.

import type { Kysely, Transaction } from 'kysely';
import { ConfigError } from '../lib/errors.ts';
import { up as records } from './migrations/001-records.ts';
import type { Schema } from './schema.ts';

const MIGRATIONS: readonly { name: string; up: (db: Kysely<unknown>) => Promise<void> }[] = [
  { name: '001-records', up: records },
];

/** Throws ConfigError if the database was made by a newer Postern. `at`: now, milliseconds since the epoch. */
export async function migrate(db: Kysely<Schema>, at: number): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const applied = await appliedMigrations(transaction);
    const known = new Set(MIGRATIONS.map((migration) => migration.name));
    const unknown = applied.filter((name) => !known.has(name));
    if (unknown.length > 0) {
      throw new ConfigError(
        `store.url: the database was made by a newer Postern (it has ${unknown.join(', ')}, ` +
          `this one knows up to ${MIGRATIONS.at(-1)?.name}); run that version, or restore a backup from before`,
      );
    }
    for (const { name, up } of MIGRATIONS) {
      if (applied.includes(name)) continue;
      await up(transaction as unknown as Kysely<unknown>);
      await transaction.insertInto('migrations').values({ name, applied_at: at }).execute();
    }
  });
}

async function appliedMigrations(transaction: Transaction<Schema>): Promise<string[]> {
  await transaction.schema
    .createTable('migrations')
    .ifNotExists()
    .addColumn('name', 'text', (column) => column.primaryKey().notNull())
    .addColumn('applied_at', 'bigint', (column) => column.notNull())
    .execute();
  const rows = await transaction.selectFrom('migrations').select('name').orderBy('name').execute();
  return rows.map((row) => row.name);
}
