// The walls between the parts of src/: who may import whom. Type imports count.

import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { circles } from '../support/module-circles.ts';
import { sourceFacts } from '../support/module-imports.ts';

const SRC = join(import.meta.dirname, '..', '..', 'src');

interface Wall {
  /** The part: a folder (with a slash at its end) or a file of src/. The first row that fits a file is its row. */
  readonly of: string;
  /** What it may import besides itself: folders and files of src/. */
  readonly may: readonly string[];
  /** Modules from outside that it may not import. */
  readonly never?: readonly string[];
}

const SOCKETS = ['node:net', 'node:tls', 'node:http', 'node:https', 'node:dgram'];
const PROTOCOL = [
  'protocols/sasl.ts',
  'protocols/admission.ts',
  'protocols/upstream-closed.ts',
  'gate/verdict.ts',
  'upstream/',
  'sessions/',
  'listen/',
  'events.ts',
  'lib/',
];

const WALLS: readonly Wall[] = [
  { of: 'lib/', may: [] },
  { of: 'config/', may: ['lib/'] },
  { of: 'listen/', may: ['lib/', 'events.ts'] },
  { of: 'protocols/imap/', may: PROTOCOL },
  { of: 'protocols/smtp/', may: PROTOCOL },
  { of: 'protocols/pop3/', may: PROTOCOL },
  { of: 'protocols/ldap/', may: PROTOCOL },
  { of: 'protocols/sasl.ts', may: ['lib/'] },
  { of: 'protocols/upstream-closed.ts', may: ['protocols/admission.ts', 'lib/'] },
  { of: 'protocols/admission.ts', may: ['gate/verdict.ts', 'sessions/', 'listen/', 'events.ts', 'lib/'] },
  // What verdicts look like is the gate's interface: words only.
  { of: 'gate/verdict.ts', may: ['lib/', 'passwords/record.ts'] },
  {
    of: 'gate/',
    may: ['passwords/', 'store/store.ts', 'throttle/throttle.ts', 'events.ts', 'lib/'],
    never: SOCKETS,
  },
  { of: 'passwords/', may: ['store/store.ts', 'lib/'], never: SOCKETS },
  { of: 'throttle/', may: ['lib/'] },
  { of: 'upstream/', may: ['lib/', 'events.ts'] },
  { of: 'sessions/', may: ['lib/', 'events.ts', 'store/store.ts'] },
  { of: 'store/', may: ['lib/', 'passwords/record.ts'] },
  {
    of: 'portal/',
    may: [
      'passwords/',
      'store/store.ts',
      'store/portal-store.ts',
      'sessions/',
      'throttle/bounded-map.ts',
      'listen/http-connections.ts',
      'events.ts',
      'lib/',
    ],
  },
  {
    of: 'admin/',
    may: ['events.ts', 'lib/', 'listen/http-connections.ts', 'sessions/', 'throttle/throttle.ts'],
  },
  { of: 'events/', may: ['lib/', 'gate/verdict.ts'] },
  { of: 'events.ts', may: ['events/', 'lib/'] },
  { of: 'main.ts', may: ['cli/', 'lib/'] },
  {
    of: 'cli/',
    may: [
      'app/app.ts',
      'app/config-files.ts',
      'app/usable.ts',
      'config/',
      'passwords/',
      'store/',
      'admin/',
      'sessions/',
      'throttle/throttle.ts',
      'lib/',
    ],
  },
  // The composition root, and the development sandbox around it.
  { of: 'app/', may: [''] },
  { of: 'sandbox/', may: [''] },
  // `npm run dist`: development, too. It reads the commands.
  { of: 'packaging/', may: ['main.ts'] },
];

/** Where a property of `process` may be used: folders and files of src/. */
const PROCESS: Record<string, readonly string[]> = {
  env: ['config/', 'main.ts', 'cli/', 'sandbox/', 'packaging/'],
  exit: ['main.ts', 'sandbox/'],
  exitCode: ['main.ts', 'sandbox/'],
};

const within = (path: string, part: string) =>
  path === part || (/(^|\/)$/.test(part) && path.startsWith(part));

/** What is wrong with a file of src/, as complete sentences. */
function breaches(path: string, source: string): string[] {
  const wall = WALLS.find(({ of }) => within(path, of));
  if (wall === undefined) return [`${path} belongs to no part that the table of walls knows`];
  const { imports, processUses, computedImport } = sourceFacts(path, source);
  const found: string[] = computedImport ? [`${path} imports a module whose name is computed`] : [];
  for (const specifier of imports) {
    if (!specifier.startsWith('.')) {
      if (wall.never?.includes(specifier.startsWith('node:') ? specifier : `node:${specifier}`)) {
        found.push(`${path} imports ${specifier}`);
      }
      continue;
    }
    const target = posix.normalize(posix.join(posix.dirname(path), specifier));
    if (![wall.of, ...wall.may].some((part) => within(target, part))) found.push(`${path} imports ${target}`);
  }
  for (const use of processUses) {
    const where = PROCESS[use];
    if (where !== undefined && !where.some((part) => within(path, part)))
      found.push(`${path} uses process.${use}`);
  }
  return found;
}

const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(SRC, join(entry.parentPath, entry.name)).split('\\').join('/'));

test('src/ keeps its walls', () => {
  expect(files.length).toBeGreaterThan(10);
  expect(files.flatMap((file) => breaches(file, readFileSync(join(SRC, file), 'utf8')))).toEqual([]);
});

test('no file of src/ imports itself by way of others, type imports included', () => {
  const imports = new Map(
    files.map((file) => {
      const { imports: specifiers } = sourceFacts(file, readFileSync(join(SRC, file), 'utf8'));
      const inside = specifiers.filter((specifier) => specifier.startsWith('.'));
      return [file, inside.map((specifier) => posix.normalize(posix.join(posix.dirname(file), specifier)))];
    }),
  );
  expect(circles(imports)).toEqual([]);
});

test('circles are seen: of two, of three, of one, and two that have a file in common', () => {
  const of = (modules: Record<string, string[]>) => circles(new Map(Object.entries(modules)));
  expect(of({ a: ['b', 'c'], b: ['c'], c: ['outside'] })).toEqual([]);
  expect(of({ a: ['b'], b: ['a'], c: ['a'] })).toEqual([['a', 'b']]);
  expect(of({ a: ['b'], b: ['c'], c: ['a'], d: ['d'] })).toEqual([['a', 'b', 'c'], ['d']]);
  expect(of({ a: ['b'], b: ['a', 'c'], c: ['b'], x: ['y'], y: ['x'] })).toEqual([
    ['a', 'b', 'c'],
    ['x', 'y'],
  ]);
});

test('nobody but the events logs or counts; a log and a registry are made at the start, and the admin server shows one', () => {
  const uses = files.filter((file) =>
    sourceFacts(file, readFileSync(join(SRC, file), 'utf8')).imports.some((specifier) =>
      /\/lib\/(log|metrics)\.ts$/.test(specifier),
    ),
  );
  expect(uses.filter((file) => !/^(events[./]|app\/)/.test(file)).sort()).toEqual([
    'admin/http.ts',
    'sandbox/start.ts',
  ]);
});

describe('a breach is seen', () => {
  test.each([
    ['lib/clock.ts', `import { x } from '../events.ts'`, 'imports events.ts'],
    ['config/load.ts', `import type { Store } from '../store/store.ts'`, 'imports store/store.ts'],
    ['protocols/imap/session.ts', `import '../smtp/wire.ts'`, 'imports protocols/smtp/wire.ts'],
    ['protocols/imap/session.ts', `export * from '../../gate/gate.ts'`, 'imports gate/gate.ts'],
    ['protocols/imap/a/b.ts', `export { a } from '../../../store/store.ts'`, 'imports store/store.ts'],
    [
      'protocols/imap/login.ts',
      `let t: import('../../throttle/throttle.ts').Block`,
      'imports throttle/throttle.ts',
    ],
    ['protocols/imap/login.ts', `await import('../../config/schema.ts')`, 'imports config/schema.ts'],
    ['gate/gate.ts', `import { connect } from 'node:net'`, 'imports node:net'],
    ['gate/gate.ts', `import tls from 'tls'`, 'imports tls'],
    ['gate/gate.ts', `import '../store/sqlite.ts'`, 'imports store/sqlite.ts'],
    ['gate/verdict.ts', `import '../store/store.ts'`, 'imports store/store.ts'],
    ['upstream/dial.ts', `import '../protocols/imap/wire.ts'`, 'imports protocols/imap/wire.ts'],
    ['throttle/memory.ts', `import l = require('../listen/tls.ts')`, 'imports listen/tls.ts'],
    ['gate/gate.ts', `const name = '../x.ts'; await import(name)`, 'imports a module whose name is computed'],
    ['gate/gate.ts', 'const home = process.env.HOME', 'uses process.env'],
    ['gate/gate.ts', `const home = globalThis.process['env'].HOME`, 'uses process.env'],
    ['gate/gate.ts', 'const { env } = process', 'uses process.env'],
    ['gate/gate.ts', `import { env } from 'node:process'`, 'uses process.env'],
    ['cli/serve.ts', 'process.exit(1)', 'uses process.exit'],
    ['new/part.ts', '', 'belongs to no part that the table of walls knows'],
  ])('%s: %s', (path, source, breach) => {
    expect(breaches(path, source)).toEqual([`${path} ${breach}`]);
  });

  test.each([
    [
      'protocols/imap/login.ts',
      `import type { Verdict } from '../../gate/verdict.ts'; import { readLine } from './wire.ts'`,
    ],
    ['gate/gate.ts', `import { hash } from '../passwords/hash.ts'; import { createHmac } from 'node:crypto'`],
    ['app/app.ts', `import '../gate/gate.ts'; import '../store/sqlite.ts'; import net from 'node:net'`],
    ['config/load.ts', `const { NODE_ENV } = process.env; // import '../store/store.ts'`],
    [
      'gate/gate.ts',
      `// process.env and import '../app.ts' in a comment, ${'`'}import '../app.ts'${'`'} in a text\n'process.env'`,
    ],
  ])('and what is allowed is not: %s: %s', (path, source) => {
    expect(breaches(path, source)).toEqual([]);
  });
});
