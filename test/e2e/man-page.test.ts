// The manual pages: both formatters take them without a word, and they say what the program and the reference say.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CommandNode, programTree } from '../../src/packaging/command-tree.ts';
import { commandsPage, configPage } from '../../src/packaging/man-page.ts';
import { run } from '../support/child-process.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { read } from '../unit/docs/markdown.ts';

let dir: TempDir;
const tree = programTree();
const REFERENCE = read('docs/config.md');
const facts = { version: '1.2.3', date: '2026-12-01' };
const PAGES = {
  'postern.1': commandsPage(tree, facts),
  'postern.yaml.5': configPage(REFERENCE, facts),
};

beforeAll(() => {
  dir = tempDir(0o755);
  for (const [name, text] of Object.entries(PAGES)) writeFileSync(join(dir.path, name), text);
});
afterAll(() => dir[Symbol.dispose]());

const env = { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', MANWIDTH: '1000' };
const rendered = async (name: string) => {
  const { stdout, stderr } = await run('man', ['--warnings=all', '--local-file', join(dir.path, name)], {
    env,
  });
  expect(stderr).toBe('');
  // No backspaces: some mans print bold by typing twice.
  return stdout.replace(/.\x08/g, '').replace(/ +/g, ' ');
};

test.each(Object.keys(PAGES))('%s is good for mandoc', async (name) => {
  const { stdout } = await run('mandoc', ['-T', 'lint', '-W', 'warning', join(dir.path, name)]);
  expect(stdout).toBe('');
});

test('postern(1) has every command with its options and all that its help says', async () => {
  const page = await rendered('postern.1');
  const plain = (text: string) => text.replace(/\s+/g, ' ').trim();
  const commands = (command: CommandNode): CommandNode[] =>
    command.commands.length === 0 ? [command] : command.commands.flatMap(commands);
  for (const { path, options, more, arguments: args } of commands(tree)) {
    expect(page).toContain(path);
    for (const { flags, description } of [...options, ...args.map((one) => ({ ...one, flags: one.term }))]) {
      expect(page).toContain(flags);
      expect(plain(page)).toContain(plain(description));
    }
    for (const line of more.split('\n')) expect(page).toContain(line.trim().replace(/ +/g, ' '));
  }
});

test('postern.yaml(5) has every key of the reference', async () => {
  const page = await rendered('postern.yaml.5');
  const keys = [...REFERENCE.matchAll(/^\| `([^`]+)` /gm)].map(([, key]) => key!);
  expect(keys.length).toBeGreaterThan(100);
  for (const key of keys) expect(page).toContain(key);
  // What a reader of roff would have taken for its own.
  expect(page).toContain('$' + '{VAR:-default}');
});

test('a line that begins with a dot or a quote, and a backslash, are themselves', () => {
  const strange = {
    ...tree,
    commands: [{ ...tree.commands[0]!, more: ".so /etc/passwd\n'quoted\n\\fBbold" }],
  };
  writeFileSync(join(dir.path, 'strange.1'), commandsPage(strange, facts));
  return expect(rendered('strange.1')).resolves.toMatch(/\.so \/etc\/passwd\n\s*'quoted\n\s*\\fBbold/);
});
