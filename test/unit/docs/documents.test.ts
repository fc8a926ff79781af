// Links lead somewhere, files that are named exist, and the configuration that the README has is one.

import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml, stringify } from 'yaml';
import { parseConfig } from '../../../src/config/config.ts';
import { configWarnings } from '../../../src/config/warnings.ts';
import { anchors, codes, DOCUMENTS, fenced, ROOT, read, section, table } from './markdown.ts';

describe.each(DOCUMENTS)('%s', (document) => {
  test('its links lead somewhere', () => {
    const dead = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1]!)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? document : normalize(join(dirname(document), path));
        if (!existsSync(join(ROOT, target))) return true;
        return anchor !== undefined && !anchors(read(target)).has(anchor);
      });
    expect(dead).toEqual([]);
  });

  test('the files of the project that it names exist', () => {
    const named = codes(read(document).replace(/^```.*?^```/gms, '')).filter((code) =>
      /^(src|test|docs|config|bin)\/[\w./-]+$/.test(code),
    );
    const made = ['config/postern.yaml'];
    expect(named.filter((path) => !made.includes(path) && !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

test('the README’s configuration is right, and no cause for a warning', () => {
  const [yaml] = fenced(section(read('README.md'), '## Put it before Dovecot'), 'yaml');
  const config = parseConfig(yaml!, {
    file: '/etc/postern/postern.yaml',
    env: {},
    readFile: () => ({ content: Buffer.from('a master password\n'), mode: 0o640 }),
  });
  expect(configWarnings(config)).toEqual([]);
  expect(config.listeners.map(({ name, port, tls }) => ({ name, port, tls }))).toEqual([
    { name: 'imaps', port: 993, tls: 'implicit' },
    { name: 'imap', port: 143, tls: 'starttls' },
  ]);
});

test('it is the one that packages bring', () => {
  const [yaml] = fenced(section(read('README.md'), '## Put it before Dovecot'), 'yaml');
  expect(parseYaml(read('config/postern.initial.yaml'))).toEqual(parseYaml(yaml!));
});

test('the configuration for a container is right, and every listener in it can be reached from outside', () => {
  const [yaml] = fenced(section(read('docs/operations.md'), '## Container'), 'yaml');
  const config = parseConfig(yaml!, {
    file: '/etc/postern/postern.yaml',
    env: {},
    readFile: () => ({ content: Buffer.from('a master password\n'), mode: 0o640 }),
  });
  expect(config.listeners.map(({ host }) => host)).toEqual(['0.0.0.0']);
  // What is not on the volume is lost with the container.
  for (const path of [config.store.url, config.keys.file, config.control.socket])
    expect(path).toContain('/var/lib/postern/');
});

test('so it is with what the README adds to it for mail that is sent', () => {
  const before = parseYaml(fenced(section(read('README.md'), '## Put it before Dovecot'), 'yaml')[0]!);
  const added = parseYaml(
    fenced(section(read('README.md'), '## Mail that is sent: before Postfix, Dovecot or Exim'), 'yaml')[0]!,
  );
  const both = {
    ...before,
    listeners: [...before.listeners, ...added.listeners],
    upstreams: { ...before.upstreams, ...added.upstreams },
    routes: added.routes,
  };
  const config = parseConfig(stringify(both), {
    file: '/etc/postern/postern.yaml',
    env: {},
    readFile: () => ({ content: Buffer.from('a master password\n'), mode: 0o640 }),
  });
  expect(configWarnings(config)).toEqual([]);
  expect(config.listeners.map(({ protocol }) => protocol)).toEqual(['imap', 'imap', 'smtp', 'smtp']);
});

test('docs/rfc-support.md says yes, partial or no, and where for what is there', () => {
  const rows = table(read('docs/rfc-support.md'));
  expect(rows.length).toBeGreaterThan(20);
  for (const [rfc, , , support, , where] of rows) {
    expect(support, rfc).toMatch(/^(yes|partial|no)$/);
    if (support !== 'no') expect(codes(where!), rfc).toHaveLength(1);
  }
});

test('docs/client-quirks.md dates each, and says where it is dealt with', () => {
  const rows = table(read('docs/client-quirks.md'));
  expect(rows.length).toBeGreaterThan(10);
  for (const row of rows) {
    expect(row).toHaveLength(5);
    expect(row[0]).toMatch(/^20\d\d-[01]\d$/);
    expect(codes(row[4]!), row.join(' | ')).toHaveLength(1);
  }
});

test('SECURITY.md names, for each promise, tests that fail if it breaks', () => {
  const rows = table(section(read('SECURITY.md'), '## What it promises'));
  expect(rows.length).toBeGreaterThan(15);
  for (const [promise, , tests] of rows) {
    expect(codes(tests!), promise).not.toEqual([]);
    for (const file of codes(tests!)) expect(existsSync(join(ROOT, file)), file).toBe(true);
  }
});
