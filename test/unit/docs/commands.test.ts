// The documents and the program know the same commands and options.

import { beforeAll, describe, expect, test } from 'vitest';
import { main } from '../../../src/main.ts';
import { read } from './markdown.ts';

/** What readers are shown. */
const shown = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'docs/operations.md'].map(read).join('\n');

/** From `password create` to its help text. */
const commands = new Map<string, string>();

async function help(...args: string[]): Promise<string> {
  let text = '';
  const write = (more: string) => {
    text += more;
  };
  await main([...args, '--help'], { stdout: write, stderr: write }, {});
  return text;
}

/** The commands that a help text lists. */
const listed = (text: string): string[] =>
  [...(/^Commands:\n(.*?)(?:\n\n|$(?![\s\S]))/ms.exec(text)?.[1] ?? '').matchAll(/^ {2}(\w[\w-]*)/gm)]
    .map((match) => match[1]!)
    .filter((name) => name !== 'help');

beforeAll(async () => {
  for (const name of listed(await help())) {
    const text = await help(name);
    const subcommands = listed(text);
    if (subcommands.length === 0) commands.set(name, text);
    for (const subcommand of subcommands) commands.set(`${name} ${subcommand}`, await help(name, subcommand));
  }
});

test('there are commands', () => {
  expect([...commands.keys()]).toEqual(expect.arrayContaining(['serve', 'password create', 'sessions end']));
});

test('every command is shown to readers', () => {
  expect([...commands.keys()].filter((command) => !shown.includes(`postern ${command}`))).toEqual([]);
});

describe('what readers are shown exists', () => {
  const lines = [...shown.matchAll(/\bpostern ((?:[a-z-]+ ?){1,2})([^`\n]*)/g)];
  const used = (words: string): string | undefined =>
    [...commands.keys()].find((command) => `${words.trim()} `.startsWith(`${command} `));

  test('commands', () => {
    // Words that are the program's own but no sentence's: a command is what stands in code.
    const inCode = [...shown.matchAll(/`postern ([a-z-]+(?: [a-z-]+)?)/g)].map((match) => match[1]!);
    expect(inCode.length).toBeGreaterThan(10);
    const groups = new Set([...commands.keys()].map((command) => command.split(' ')[0]));
    expect(inCode.filter((words) => used(words) === undefined && !groups.has(words))).toEqual([]);
  });

  test('options', () => {
    const wrong: string[] = [];
    let options = 0;
    for (const [, words, rest] of lines) {
      const command = used(words!);
      if (command === undefined) continue;
      for (const [option] of rest!.matchAll(/--[a-z-]+/g)) {
        options += 1;
        if (!commands.get(command)!.includes(`${option} `)) wrong.push(`${command} ${option}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(options).toBeGreaterThan(5);
  });
});
