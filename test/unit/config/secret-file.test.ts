import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { readSmallFile } from '../../../src/config/secret-file.ts';
import { files, mistakes, parse, passwordOf, SMALL, small } from './example.ts';

const place = 'postern.yaml:12:58 upstreams.dovecot.login.passwordFile: ';
const told = (content: Parameters<typeof files>[0][string]) =>
  mistakes(SMALL, {}, files({ '/etc/postern/master': content }));

describe('a secret', () => {
  it('may stand in the configuration, and is not printed with it', () => {
    const config = parse(small('passwordFile: ./master', 'password: sesame'));
    expect(passwordOf(config.upstreams.dovecot!)).toBe('sesame');
    expect(JSON.stringify(config) + inspect(config, { depth: null })).not.toContain('sesame');
  });

  it('loses one line end, and nothing else', () => {
    const secret = (text: string) =>
      passwordOf(parse(SMALL, {}, files({ '/etc/postern/master': text })).upstreams.dovecot!);
    expect(secret('sesame\n')).toBe('sesame');
    expect(secret('sesame\r\n')).toBe('sesame');
    expect(secret(' sesame ')).toBe(' sesame ');
  });

  it('is set once', () => {
    expect(mistakes(small(', passwordFile: ./master', ''))).toEqual([
      'postern.yaml:12:5 upstreams.dovecot.login.password: is missing, must be set here or in a file that passwordFile names',
    ]);
    expect(mistakes(small('passwordFile: ./master', 'passwordFile: ./master, password: sesame'))).toEqual([
      'postern.yaml:12:44 upstreams.dovecot.login.passwordFile: is set beside password, must be the only one of the two',
    ]);
  });

  it('is neither empty nor several lines, and never repeated in a message', () => {
    expect(mistakes(small('passwordFile: ./master', 'password: ""'))).toEqual([
      'postern.yaml:12:54 upstreams.dovecot.login.password: is empty, must hold the secret',
    ]);
    expect(told('')).toEqual([`${place}is empty, must hold the secret`]);
    expect(told('\n')).toEqual([`${place}is empty, must hold the secret`]);
    expect(told('sesame\nopen\n')).toEqual([`${place}holds more than one line, must hold the secret alone`]);
    expect(told('sesame\0')).toEqual([`${place}holds more than one line, must hold the secret alone`]);
    expect(told(Uint8Array.of(0xff, 0xfe))).toEqual([
      `${place}names a file that is not UTF-8, must hold one line of text`,
    ]);
  });

  it.each([0o644, 0o604, 0o602, 0o601, 0o666])('in a file of mode %o is refused', (mode) => {
    expect(told({ text: 'sesame', mode: 0o100000 | mode })).toEqual([
      `${place}names a file that every user of this machine can read or change, must be closed to others (chmod o= FILE)`,
    ]);
  });

  it('in a file that is not there is told so', () => {
    expect(mistakes(SMALL, {}, files({}))).toEqual([
      `${place}cannot be read (there is no such file), must be a file that Postern may read (/etc/postern/master)`,
    ]);
  });

  it.each([
    ['a path above', '../master', ' (/etc/master)'],
    ['a word, which may be the secret itself', 'sesame-open', ' (looked for in /etc/postern)'],
    ['one that looks like a path', 'se/same+open=', ' (looked for in /etc/postern)'],
    ['one that begins as an absolute path does', '/sesame+open=', ''],
    ['a variable', `./\${FILE}`, ''],
  ])('with its whole place, and without what may be secret: %s', (_, path, where) => {
    const [message] = mistakes(
      small('passwordFile: ./master', `passwordFile: "${path}"`),
      { FILE: 'sesame' },
      files({}),
    );
    expect(message).toBe(
      `${place}cannot be read (there is no such file), must be a file that Postern may read${where}`,
    );
  });
});

describe('reading a small file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-secret-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('gives its bytes and mode', () => {
    writeFileSync(join(directory, 'plain'), 'sesame', { mode: 0o640 });
    const { content, mode } = readSmallFile(join(directory, 'plain'));
    expect([Buffer.from(content).toString(), mode & 0o777]).toEqual(['sesame', 0o640]);
  });

  it('does not wait for a FIFO, swallow a device, or read without end', () => {
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    writeFileSync(join(directory, 'large'), Buffer.alloc(1_048_577));
    expect(() => readSmallFile(join(directory, 'fifo'))).toThrow(
      expect.objectContaining({ code: 'not a regular file' }),
    );
    expect(() => readSmallFile('/dev/zero')).toThrow(expect.objectContaining({ code: 'not a regular file' }));
    expect(() => readSmallFile(join(directory, 'large'))).toThrow(
      expect.objectContaining({ code: 'larger than 1 MiB' }),
    );
    expect(() => readSmallFile(directory)).toThrow(expect.objectContaining({ code: 'EISDIR' }));
  });
});
