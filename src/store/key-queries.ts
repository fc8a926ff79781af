// Queries about selector keys: which ones records name, and with what bytes those were made.

import type { Kysely, Transaction } from 'kysely';
import type { Schema } from './schema.ts';
import type { NamedKey } from './store.ts';

type Queries = Kysely<Schema> | Transaction<Schema>;

export async function namedKeys(db: Queries): Promise<NamedKey[]> {
  return db
    .selectFrom(db.selectFrom('records').select('key_id').distinct().as('named'))
    .leftJoin('key_checks', 'key_checks.key_id', 'named.key_id')
    .select(['named.key_id as id', 'key_checks.check_value as check'])
    .orderBy('named.key_id')
    .execute();
}

export async function noteKeyCheck(db: Queries, id: string, check: string): Promise<void> {
  await db
    .insertInto('key_checks')
    .values({ key_id: id, check_value: check })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/**
 * Whether records were made with other bytes under that id. Where none names it, the check value is noted, over one that is left
 * from records that are gone. To be called before a record that names it is added, in the same transaction.
 */
export async function isOtherKey(
  transaction: Transaction<Schema>,
  id: string,
  check: string,
): Promise<boolean> {
  const noted = await transaction
    .selectFrom('key_checks')
    .where('key_id', '=', id)
    .select('check_value')
    .executeTakeFirst();
  if (noted?.check_value === check) return false;
  const record = await transaction
    .selectFrom('records')
    .where('key_id', '=', id)
    .select('id')
    .limit(1)
    .executeTakeFirst();
  // Records without a check value are of an older version: its keys are noted at a start.
  if (record !== undefined) return noted !== undefined;
  await transaction
    .insertInto('key_checks')
    .values({ key_id: id, check_value: check })
    .onConflict((conflict) => conflict.column('key_id').doUpdateSet({ check_value: check }))
    .execute();
  return false;
}
