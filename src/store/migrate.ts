// Brings the tables up to date. Each migration is a file of its own, is run once, in order, and is never edited after
// it was released. All that are missing run in one transaction that excludes other writers from its start, so of
// several processes that start at once one migrates and the others find it done. A database that lacks none is only
// read: opening it waits for nobody's lock, and works on a full disk.

import type { Kysely } from 'kysely';
import { ConfigError } from '../lib/errors.ts';
import { up as records } from './migrations/001-records.ts';
import { up as portal } from './migrations/002-portal.ts';
import { up as keyChecks } from './migrations/003-key-checks.ts';
import type { Schema } from './schema.ts';

const MIGRATIONS: readonly { name: string; up: (db: Kysely<unknown>) => Promise<void> }[] = [
  { name: '001-records', up: records },
  { name: '002-portal', up: portal },
  { name: '003-key-checks', up: keyChecks },
];

/** Throws ConfigError if the database was made by a newer Postern. `at`: now, milliseconds since the epoch. */
export async function migrate(db: Kysely<Schema>, at: number): Promise<void> {
  if (missing(await appliedMigrations(db)).length === 0) return;
  await db.transaction().execute(async (transaction) => {
    await transaction.schema
      .createTable('migrations')
      .ifNotExists()
      .addColumn('name', 'text', (column) => column.primaryKey().notNull())
      .addColumn('applied_at', 'bigint', (column) => column.notNull())
      .execute();
    for (const { name, up } of missing(await appliedMigrations(transaction))) {
      await up(transaction as unknown as Kysely<unknown>);
      await transaction.insertInto('migrations').values({ name, applied_at: at }).execute();
    }
  });
}

/** `none`: it is no store of Postern's. Throws ConfigError if a newer Postern made it. */
export async function schemaOf(db: Kysely<Schema>): Promise<'none' | 'older' | 'current'> {
  const applied = await appliedMigrations(db);
  if (missing(applied).length === 0) return 'current';
  return applied.length === 0 ? 'none' : 'older';
}

/** Names of those that were run, in order; none for a database that is no store of Postern's. */
export async function appliedMigrations(db: Kysely<Schema>): Promise<string[]> {
  const tables = await db.introspection.getTables();
  if (!tables.some((table) => table.name === 'migrations')) return [];
  const rows = await db.selectFrom('migrations').select('name').orderBy('name').execute();
  return rows.map((row) => row.name);
}

function missing(applied: readonly string[]): typeof MIGRATIONS {
  const known = new Set(MIGRATIONS.map((migration) => migration.name));
  const unknown = applied.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new ConfigError(
      `store.url: the database was made by a newer Postern (it has ${unknown.join(', ')}, ` +
        `this one knows up to ${MIGRATIONS.at(-1)?.name}); run that version, or restore a backup from before`,
    );
  }
  return MIGRATIONS.filter((migration) => !applied.includes(migration.name));
}
