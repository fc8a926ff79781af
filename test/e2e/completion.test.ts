// Completion, as the three shells themselves do it.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandNode, programTree } from '../../src/packaging/command-tree.ts';
import { bashCompletion, fishCompletion, zshCompletion } from '../../src/packaging/completion.ts';
import { run } from '../support/child-process.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';

let dir: TempDir;
const tree = programTree();

beforeAll(() => {
  dir = tempDir();
  mkdirSync(join(dir.path, 'zsh'));
  writeFileSync(join(dir.path, 'bash'), bashCompletion(tree));
  writeFileSync(join(dir.path, 'zsh', '_postern'), zshCompletion(tree));
  writeFileSync(join(dir.path, 'fish'), fishCompletion(tree));
  writeFileSync(join(dir.path, 'some-file.yaml'), '');
});
afterAll(() => dir[Symbol.dispose]());

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const env = () => ({ PATH: process.env.PATH, HOME: dir.path, TERM: 'xterm', LC_ALL: 'C.UTF-8' });

/** Each gives the words that the shell offers for the last one of a line. */
const SHELLS = {
  async bash(line: string): Promise<string[]> {
    const words = line.split(' ');
    const script = `source ./bash
COMP_WORDS=(${words.map(quote).join(' ')}); COMP_CWORD=${words.length - 1}
compopt() { [[ $1 = -o ]] && files=yes || files=; }
_postern
if [[ $files ]]; then COMPREPLY+=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")); fi
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = await run('bash', ['-c', script], { cwd: dir.path, env: env() });
    expect(stderr).toBe('');
    return stdout.split('\n').filter((word) => word !== '');
  },
  async fish(line: string): Promise<string[]> {
    const script = `source ./fish; complete -C ${quote(line)}`;
    const { stdout, stderr } = await run('fish', ['--no-config', '-c', script], {
      cwd: dir.path,
      env: env(),
    });
    expect(stderr).toBe('');
    return stdout
      .split('\n')
      .filter((word) => word !== '')
      .map((word) => word.split('\t')[0]!);
  },
  // In a terminal, since zsh completes nowhere else; what it would offer is caught where it hands that to the editor. Keys are typed once
  // the editor has the terminal, and the last of them says that those before it are done with.
  async zsh(line: string): Promise<string[]> {
    const script = `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell ${quote(`PS1=; cd ${dir.path}; fpath=(${dir.path}/zsh $fpath); autoload -U compinit; compinit -u -D`)}
zpty -w shell ${quote(`compadd() { [[ \${@[1,(i)(-|--)]} = *-(O|A|D)\\ * ]] && { builtin compadd "$@"; return }; local -a hits; builtin compadd -O hits "$@"; print -rl -- OFFER\${^hits}; builtin compadd "$@" }; bindkey '^I' list-choices; finished() { print EN""D }; zle -N finished; bindkey "^Y" finished; zle-line-init() { print RE""ADY }; zle -N zle-line-init`)}
zpty -r -m shell seen '*READY*'
zpty -w -n shell ${quote(line)}$'\\t\\C-y'
zpty -r -m shell seen '*END*'
print -r -- $seen`;
    const { stdout } = await run('zsh', ['-f', '-c', script], { cwd: dir.path, env: env() });
    return [...stdout.matchAll(/OFFER(\S+)/g)].map(([, word]) => word!);
  },
};

const leaves = (command: CommandNode): CommandNode[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);

describe.each(Object.entries(SHELLS))('%s', (_, complete) => {
  test('offers the commands', async () => {
    const offered = await complete('postern ');
    expect(offered).toEqual(expect.arrayContaining(tree.commands.map(({ name }) => name)));
  });

  test('and those that begin so', async () => {
    expect(await complete('postern pa')).toEqual(['password']);
    expect(await complete('postern password ')).toEqual(expect.arrayContaining(['create', 'list', 'revoke']));
  });

  test('and their options', async () => {
    const offered = await complete('postern password create --');
    expect(offered).toEqual(expect.arrayContaining(['--user', '--name', '--network', '--config', '--help']));
    expect(offered).not.toContain('--all');
    expect(await complete('postern password create --user alice --na')).toEqual(['--name']);
  });

  test('files where a file is wanted', async () => {
    expect(await complete('postern serve --config some')).toEqual(['some-file.yaml']);
  });
});

test('every command and option is in each of them', () => {
  for (const text of [bashCompletion(tree), zshCompletion(tree), fishCompletion(tree)]) {
    for (const { options } of leaves(tree)) {
      for (const { long } of options) expect(text).toContain(long.replace(/^--/, ''));
    }
  }
});
