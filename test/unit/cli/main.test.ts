import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, RefusedError, UnavailableError, UsageError } from '../../../src/lib/errors.ts';
import { exitCodeOf, programOf, runCommands } from '../../../src/main.ts';
import { StoreUnavailableError } from '../../../src/store/store.ts';
import { run } from './terminal-double.ts';

const BIN = fileURLToPath(new URL('../../../bin/postern.js', import.meta.url));

describe('postern', () => {
  it('tells its version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
    expect(await run(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  it('helps, with every command', async () => {
    const { code, out, err } = await run(['--help']);
    expect([code, err]).toEqual([0, '']);
    for (const word of ['check-config', 'print-config', 'Examples:', 'Exit codes:'])
      expect(out).toContain(word);
  });

  it.each([
    [[]],
    [['dance']],
    [['check-config', '--confg', 'x']],
    [['check-config', '--config']],
    [['check-config', 'x']],
  ])('with %j is a usage error', async (argv) => {
    const { code, out, err } = await run(argv);
    expect([code, out]).toEqual([64, '']);
    expect(err).not.toBe('');
  });

  it('suggests the command that was meant', async () => {
    expect((await run(['chek-config'])).err).toContain('Did you mean check-config?');
  });

  it('has an example in the help of every command', async () => {
    const { out } = await run(['--help']);
    const names = [...out.matchAll(/^ {2}([a-z-]+) .*$/gm)]
      .map(([, name]) => name)
      .filter((name) => name !== 'help');
    expect(names).toContain('print-config');
    for (const name of names.filter((word) => word !== 'postern')) {
      const help = await run(['help', name!]);
      expect([help.code, name, help.out.includes(`postern ${name}`)]).toEqual([0, name, true]);
    }
  });
});

describe('help', () => {
  const silent = { stdout: () => {}, stderr: () => {} };
  const ways = (command: Command, words: readonly string[] = []): string[][] => [
    [...words],
    ...command.commands.flatMap((inner) => ways(inner, [...words, inner.name()])),
  ];
  it.each(ways(programOf(silent, {})).map((words) => [words.join(' '), words] as const))(
    'help %s is that of the command',
    async (_, words) => {
      const asked = await run(['help', ...words]);
      expect(asked).toEqual(await run([...words, '--help']));
      expect(asked.out).toContain(`Usage: ${['postern', ...words].join(' ')}`);
    },
  );

  it.each([
    [['passwrd']],
    [['password', 'creat']],
    [['password', 'create', 'more']],
    [['constructor']],
    [['']],
    [['--all']],
    [['\u001b[2J']],
  ])('of %j, which there is not, is a usage error', async (words) => {
    const { code, out, err } = await run(['help', ...words]);
    expect([code, out]).toEqual([64, '']);
    expect(err).not.toBe('');
    expect(err).not.toContain('\u001b');
  });
});

describe('exit codes', () => {
  it.each([
    [new RefusedError('no'), 1, 'postern: no\n'],
    [new UsageError('what?'), 64, 'postern: what?\n'],
    [new UnavailableError('away'), 69, 'postern: away\n'],
    [new StoreUnavailableError('locked'), 69, 'postern: locked\n'],
    [new ConfigError(['a.yaml:1:1 x: y', 'a.yaml:2:1 z: w']), 78, 'a.yaml:1:1 x: y\na.yaml:2:1 z: w\n'],
  ])('%s', async (error, code, printed) => {
    let err = '';
    const failing = () =>
      new Command('fail').action(async () => {
        throw error;
      });
    const terminal = {
      stdout: () => {},
      stderr: (text: string) => {
        err += text;
      },
    };
    expect(await runCommands([failing], ['fail'], terminal, {})).toBe(code);
    expect(err).toBe(printed);
    expect(exitCodeOf(error)).toBe(code);
  });

  it.each([new TypeError('x is not a function'), 'a string', undefined, null])('of %s is 70', (error) => {
    expect(exitCodeOf(error)).toBe(70);
  });
});

describe('bin/postern.js', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-bin-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('runs, by a symbolic link and without its ending too', () => {
    const link = join(directory, 'postern');
    symlinkSync(BIN, link);
    const versions = [BIN, BIN.replace(/\.js$/, ''), link].map((path) => {
      return execFileSync(process.execPath, [path, '--version'], { encoding: 'utf8', env: {} });
    });
    expect(new Set(versions)).toEqual(new Set(['0.1.0\n']));
  });

  it('exits with the code of the command', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [BIN, 'check-config', '--config', join(directory, 'none.yaml')],
      {
        encoding: 'utf8',
        env: {},
      },
    );
    expect(status).toBe(78);
    expect(stderr).toMatch(/^none\.yaml:1:1 file: cannot be read/);
  });

  it('exits with 70 where the program itself is missing', () => {
    mkdirSync(join(directory, 'bin'));
    copyFileSync(BIN, join(directory, 'bin/postern.js'));
    const started = spawnSync(process.execPath, [join(directory, 'bin/postern.js'), '--version'], {
      encoding: 'utf8',
      env: {},
    });
    expect([started.status, started.stdout]).toEqual([70, '']);
    expect(started.stderr).toMatch(/^postern: cannot start: .*Cannot find module/);
  });

  it.each(['8.17.0', '20.20.2', '23.11.1'])('tells Node %s in one line that it is too old', (version) => {
    // As a script, like the oldest would read it: no import, export, await or import.meta.
    const source = readFileSync(BIN, 'utf8').replace(/^#!.*/, '');
    expect(source).not.toMatch(/`|\b(const|let|class|async|await)\b|\?\.|\?\?/);
    let printed = '';
    const exit = (code: number) => {
      throw new Error(`exit ${code}`);
    };
    const old = {
      versions: { node: version },
      stderr: {
        write: (text: string) => {
          printed += text;
        },
      },
      exit,
    };
    expect(() => new Script(source).runInNewContext({ process: old })).toThrow('exit 70');
    expect(printed).toBe(`postern: needs Node.js 24 or newer, this is ${version}\n`);
  });
});
