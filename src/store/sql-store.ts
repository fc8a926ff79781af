// The store's queries. They are plain SQL that SQLite and PostgreSQL both understand; what differs (how to connect, to
// wait for a lock, to hear of changes) comes in from outside.
//
// There are two connections: `quick` reads and writes what may be lost with the power (last use, rehash), `durable`
// writes what may not.

import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { NameMark, User } from '../lib/user.ts';
import type { PasswordRecord } from '../passwords/record.ts';
import { isOtherKey, namedKeys, noteKeyCheck } from './key-queries.ts';
import { LoginQueries } from './login-queries.ts';
import * as portal from './portal-queries.ts';
import type { AuditRecord, PortalSession, PortalStore, WhichAudit } from './portal-store.ts';
import { number, toRecord, toRow } from './rows.ts';
import type { RecordsTable, Schema } from './schema.ts';
import {
  type CreateLimits,
  type CreateOutcome,
  type NamedKey,
  type NewRecord,
  type NotedUse,
  type Selection,
  type Selector,
  type Standing,
  StoreUnavailableError,
  type UnwatchedStore,
  type WhichRecords,
} from './store.ts';

/** Values in one `in (…)`: databases bound the number of parameters. */
const CHUNK = 500;

export interface SqlConnections {
  readonly quick: Kysely<Schema>;
  readonly durable: Kysely<Schema>;
  /** Runs a statement or transaction as often as it takes, or rejects with StoreUnavailableError. */
  whenFree<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export class SqlStore implements UnwatchedStore {
  readonly #sql: SqlConnections;
  readonly #queries: LoginQueries;
  #closed = false;

  constructor(connections: SqlConnections) {
    this.#sql = connections;
    this.#queries = new LoginQueries(connections.quick);
  }

  /** One query: the left joins give one row at least, so an unknown user costs what a known one does. */
  async select(user: User | NameMark, selectors: readonly Selector[]): Promise<Selection> {
    const query = this.#queries.select(user, selectors);
    const { rows } = await this.#run(() => this.#sql.quick.executeQuery(query));
    return {
      records: rows.flatMap((row) => (row.id === null ? [] : toRecord(row as Selectable<RecordsTable>))),
      userDisabled: rows.some((row) => row.disabled_at !== null),
    };
  }

  /**
   * The first statement locks the user's row (in SQLite the whole database), so the counts hold until the insert, for
   * other processes too.
   */
  create(record: NewRecord, limits: CreateLimits, keyCheck?: string): Promise<CreateOutcome> {
    return this.#transact(async (transaction) => {
      await transaction
        .insertInto('users')
        .values({ name: record.user, disabled_at: null })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ name: record.user }))
        .execute();
      const counts = await transaction
        .selectFrom('records')
        .where('user_name', '=', record.user)
        .select([
          sql<number | null>`sum(case when revoked_at is null then 1 else 0 end)`.as('live'),
          sql<number | null>`sum(case when created_at >= ${limits.recentSince} then 1 else 0 end)`.as(
            'recent',
          ),
        ])
        .executeTakeFirstOrThrow();
      if (Number(counts.live ?? 0) >= limits.maxPerUser) return 'limit';
      if (Number(counts.recent ?? 0) >= limits.maxRecent) return 'too-fast';
      if (keyCheck !== undefined && (await isOtherKey(transaction, record.keyId, keyCheck)))
        return 'other-key';
      const inserted = await transaction
        .insertInto('records')
        .values(toRow(record))
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow();
      return inserted.numInsertedOrUpdatedRows === 1n ? 'created' : 'collision';
    });
  }

  async list({ user, tombstones = false }: { user?: User; tombstones?: boolean }): Promise<PasswordRecord[]> {
    const rows = await this.#run(() => {
      let query = this.#sql.quick.selectFrom('records').selectAll();
      if (user !== undefined) query = query.where('user_name', '=', user);
      if (!tombstones) query = query.where('revoked_at', 'is', null);
      return query.orderBy('created_at').orderBy('id').execute();
    });
    return rows.map(toRecord);
  }

  revoke(which: WhichRecords, at: number): Promise<string[]> {
    return this.#transact(async (transaction) => {
      const revoked: string[] = [];
      const chunks = 'ids' in which ? chunked(which.ids) : [undefined];
      for (const ids of chunks) {
        const update = transaction
          .updateTable('records')
          .set({ revoked_at: at })
          .where('revoked_at', 'is', null);
        const ofUser = which.user === undefined ? update : update.where('user_name', '=', which.user);
        const chosen = ids === undefined ? ofUser : ofUser.where('id', 'in', ids);
        for (const row of await chosen.returning('id').execute()) revoked.push(row.id);
      }
      if (revoked.length > 0) await raiseRevision(transaction);
      return revoked;
    });
  }

  async rename(id: string, user: User, name: string): Promise<boolean> {
    const result = await this.#run(() =>
      this.#sql.durable
        .updateTable('records')
        .set({ name })
        .where('id', '=', id)
        .where('user_name', '=', user)
        .where('revoked_at', 'is', null)
        .executeTakeFirstOrThrow(),
    );
    return result.numUpdatedRows === 1n;
  }

  async rehash(id: string, oldHash: string, newHash: string): Promise<boolean> {
    const result = await this.#run(() =>
      this.#sql.quick
        .updateTable('records')
        .set({ hash: newHash })
        .where('id', '=', id)
        .where('hash', '=', oldHash)
        .executeTakeFirstOrThrow(),
    );
    return result.numUpdatedRows === 1n;
  }

  async noteUses(uses: readonly NotedUse[]): Promise<void> {
    await this.#run(() =>
      this.#sql.quick.transaction().execute(async (transaction) => {
        for (const use of uses) await transaction.executeQuery(this.#queries.noteUse(use));
      }),
    );
  }

  setUserDisabled(user: User, disabledAt: number | null): Promise<void> {
    return this.#transact(async (transaction) => {
      await transaction
        .insertInto('users')
        .values({ name: user, disabled_at: disabledAt })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ disabled_at: disabledAt }))
        .execute();
      // Gone for good: whoever is enabled again signs in again. At both: where transactions do not wait for each other, a sign-in
      // that began before may have been added since.
      await portal.endPortalSessions(transaction, { user });
      await raiseRevision(transaction);
    });
  }

  async standings(ids: readonly string[]): Promise<Map<string, Standing>> {
    const standings = new Map<string, Standing>(
      ids.map((id) => [id, { revoked: true, expiresAt: null, userDisabled: false }]),
    );
    for (const chunk of chunked(ids)) {
      const query = this.#queries.standings(chunk);
      const { rows } = await this.#run(() => this.#sql.quick.executeQuery(query));
      for (const row of rows) {
        standings.set(row.id, {
          revoked: row.revoked_at !== null,
          expiresAt: number(row.expires_at),
          userDisabled: row.disabled_at !== null,
        });
      }
    }
    return standings;
  }

  namedKeys(): Promise<NamedKey[]> {
    return this.#run(() => namedKeys(this.#sql.quick));
  }

  noteKeyCheck(id: string, check: string): Promise<void> {
    return this.#run(() => noteKeyCheck(this.#sql.durable, id, check));
  }

  purge({ before, keep, user }: { before: number; keep: number; user?: User }): Promise<number> {
    return this.#transact(async (transaction) => {
      const old = await transaction
        .deleteFrom('records')
        .where('revoked_at', '<', before)
        .executeTakeFirstOrThrow();
      let ranked = transaction
        .selectFrom('records')
        .where('revoked_at', 'is not', null)
        .select([
          'id',
          sql<number>`row_number() over (partition by user_name order by revoked_at desc, id)`.as('rank'),
        ]);
      if (user !== undefined) ranked = ranked.where('user_name', '=', user);
      const surplus = await transaction
        .deleteFrom('records')
        .where('id', 'in', (inner) =>
          inner.selectFrom(ranked.as('ranked')).where('rank', '>', keep).select('ranked.id'),
        )
        .executeTakeFirstOrThrow();
      return Number(old.numDeletedRows + surplus.numDeletedRows);
    });
  }

  addPortalSession(session: PortalSession, most: number): Promise<boolean> {
    return this.#transact((transaction) => portal.addPortalSession(transaction, session, most));
  }

  portalSession(id: string): Promise<PortalSession | undefined> {
    return this.#run(() => portal.portalSession(this.#sql.quick, id));
  }

  touchPortalSession(id: string, seenAt: number): Promise<void> {
    return this.#run(() => portal.touchPortalSession(this.#sql.quick, id, seenAt));
  }

  endPortalSessions(which: { readonly id: string } | { readonly user: User }): Promise<number> {
    return this.#run(() => portal.endPortalSessions(this.#sql.durable, which));
  }

  addAudit(record: AuditRecord): Promise<void> {
    return this.#run(() => portal.addAudit(this.#sql.durable, record));
  }

  audit(which: WhichAudit): Promise<AuditRecord[]> {
    return this.#run(() => portal.audit(this.#sql.quick, which));
  }

  purgePortal(bounds: Parameters<PortalStore['purgePortal']>[0]): Promise<number> {
    return this.#transact((transaction) => portal.purgePortal(transaction, bounds));
  }

  searchUsers(text: string, most: number): ReturnType<PortalStore['searchUsers']> {
    return this.#run(() => portal.searchUsers(this.#sql.quick, text, most));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#sql.close();
  }

  #transact<T>(work: (transaction: Transaction<Schema>) => Promise<T>): Promise<T> {
    return this.#run(() => this.#sql.durable.transaction().execute(work));
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreUnavailableError('the store is closed');
    return this.#sql.whenFree(work);
  }
}

/** Tells watchers, in other processes too, that a live session may have to end. */
async function raiseRevision(transaction: Transaction<Schema>): Promise<void> {
  await transaction.updateTable('revision').set({ revision: sql`revision + 1` }).execute();
}

function chunked(ids: readonly string[]): string[][] {
  const unique = [...new Set(ids)];
  return Array.from({ length: Math.ceil(unique.length / CHUNK) }, (_, n) =>
    unique.slice(n * CHUNK, (n + 1) * CHUNK),
  );
}
