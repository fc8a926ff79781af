// The queries of every login. They are built and compiled once for each number of parameters: doing that each time
// costs several times what it takes to run them.

import { type CompiledQuery, type Kysely, sql } from 'kysely';
import type { NameMark, User } from '../lib/user.ts';
import type { Schema } from './schema.ts';
import type { NotedUse, Selector } from './store.ts';

export class LoginQueries {
  readonly #select: (selectors: number) => ReturnType<typeof compileSelect>;
  readonly #standings: (ids: number) => ReturnType<typeof compileStandings>;
  readonly #noteUse: Readonly<Record<NotedUse['kind'], ReturnType<typeof compileNoteUse>>>;

  constructor(quick: Kysely<Schema>) {
    this.#select = forEachSize((selectors) => compileSelect(quick, selectors));
    this.#standings = forEachSize((ids) => compileStandings(quick, ids));
    this.#noteUse = { used: compileNoteUse(quick, 'used'), refused: compileNoteUse(quick, 'refused') };
  }

  /** The user's records that have one of the selectors, and whether the user is disabled: one row at least. */
  select(user: User | NameMark, selectors: readonly Selector[]) {
    const parameters = selectors.flatMap(({ keyId, selector }) => [keyId, selector]);
    return withParameters(this.#select(selectors.length), [user, ...parameters]);
  }

  /** What decides whether sessions may go on, for those of the ids that exist. */
  standings(ids: readonly string[]) {
    return withParameters(this.#standings(ids.length), ids);
  }

  /** Writes the use unless a newer one is known. */
  noteUse({ id, kind, use: { at, from, protocol, client } }: NotedUse) {
    return withParameters(this.#noteUse[kind], [at, from, protocol, client, id, at]);
  }
}

/** Parameters: the user, then key id and selector of each. */
function compileSelect(quick: Kysely<Schema>, selectors: number) {
  const places = Array.from({ length: selectors }, () => ({ keyId: '', selector: 0 }));
  return quick
    .selectFrom(sql<{ name: string }>`(select cast(${''} as text) as name)`.as('asked'))
    .leftJoin('users', 'users.name', 'asked.name')
    .leftJoin('records', (join) =>
      join
        .onRef('records.user_name', '=', 'asked.name')
        .on((on) =>
          on.or(
            places.map(({ keyId, selector }) =>
              on.and([on('records.key_id', '=', keyId), on('records.selector', '=', selector)]),
            ),
          ),
        ),
    )
    .selectAll('records')
    .select('users.disabled_at')
    .compile();
}

/** Parameters: the ids. */
function compileStandings(quick: Kysely<Schema>, ids: number) {
  return quick
    .selectFrom('records')
    .leftJoin('users', 'users.name', 'records.user_name')
    .where('records.id', 'in', new Array<string>(ids).fill(''))
    .select(['records.id', 'records.revoked_at', 'records.expires_at', 'users.disabled_at'])
    .compile();
}

/** Parameters: time, address, protocol and client, then the id and the time again. */
function compileNoteUse(quick: Kysely<Schema>, kind: NotedUse['kind']) {
  const [values, column] =
    kind === 'used'
      ? ([{ used_at: 0, used_from: '', used_protocol: '', used_client: '' }, 'used_at'] as const)
      : ([
          { refused_at: 0, refused_from: '', refused_protocol: '', refused_client: '' },
          'refused_at',
        ] as const);
  return quick
    .updateTable('records')
    .set(values)
    .where('id', '=', '')
    .where((where) => where.or([where(column, 'is', null), where(column, '<=', 0)]))
    .compile();
}

function withParameters<Row>(query: CompiledQuery<Row>, parameters: readonly unknown[]): CompiledQuery<Row> {
  return { ...query, parameters };
}

/** `make`, which is called once for each size. Sizes are few: the store bounds them. */
function forEachSize<Made>(make: (size: number) => Made): (size: number) => Made {
  const made = new Map<number, Made>();
  return (size) => {
    const found = made.get(size) ?? make(size);
    made.set(size, found);
    return found;
  };
}
