// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written that way in a configuration

import { describe, expect, it } from 'vitest';
import { mistakes, parse, passwordOf, SMALL, small } from './example.ts';

describe('YAML', () => {
  it.each(['', '\n\n', '# nothing but a comment\n', '---\n', '~\n'])('that is empty: %j', (text) => {
    expect(mistakes(text)).toEqual([expect.stringMatching(/^postern\.yaml:1:1 file: is empty, must hold/)]);
  });

  it.each(['just text', '- a\n- b\n', '42\n'])('that is no map: %j', (text) => {
    expect(mistakes(text)).toEqual([
      expect.stringMatching(/^postern\.yaml:1:1 file: is .*, must be a map of keys$/),
    ]);
  });

  it('has a mistake at its place, and not what follows from it', () => {
    expect(mistakes(`${SMALL}limits: { idle: 1h\nlog: { level: info }\n`)).toEqual([
      'postern.yaml:15:9 yaml: has a { here that is not closed, must have a } at its end',
    ]);
  });

  it('is one document', () => {
    expect(mistakes(`${SMALL}---\n${SMALL}`)).toEqual([
      'postern.yaml:15:1 yaml: begins a second document here, must be one document',
    ]);
  });

  it('has no tags of its own', () => {
    expect(mistakes(small('mail.example.com', '!secret x'))).toEqual([
      expect.stringMatching(/^postern\.yaml:1:11 yaml: /),
    ]);
  });

  it('is YAML 1.2', () => {
    expect(mistakes(`%YAML 1.1\n---\n${SMALL}`)).toEqual([expect.stringContaining('must be 1.2')]);
    expect(mistakes(small('mail.example.com', 'yes'))).toEqual([]);
  });

  it('may name a thing once and use it again', () => {
    const text = `${SMALL}throttle:\n  network: &limit { distinct: 7 }\n  networkAndUser: *limit\n`;
    expect(parse(text).throttle.networkAndUser.distinct).toBe(7);
  });

  it('tells who forgot the quotes around an asterisk', () => {
    expect(mistakes(small('"*@example.com"', '*@example.com'))).toEqual([
      'postern.yaml:14:14 routes[0].users: is an alias of nothing, must be quoted if it is to begin with *',
    ]);
  });

  it('does not explode by aliases of aliases', () => {
    const levels = Array.from({ length: 12 }, (_, n) =>
      n === 0
        ? 'a0: &a0 [x, x, x, x, x, x, x, x, x]'
        : `a${n}: &a${n} [${Array(9)
            .fill(`*a${n - 1}`)
            .join(', ')}]`,
    );
    const told = mistakes(`${SMALL}${levels.join('\n')}\n`);
    expect(told.join('\n')).toContain('yaml: unfolds to more than 20000 values');
  });

  it('does not turn in circles', () => {
    expect(mistakes(`${SMALL}log: &log { level: *log }\n`).join('\n')).toContain(
      'unfolds to more than 32 levels',
    );
  });

  it.each(['[', '{ a: ', '- '])('nested 50,000 deep by %j is refused in words', (opening) => {
    expect(mistakes(`x: ${opening.repeat(50_000)}`)[0]).toMatch(/^postern\.yaml:\d+:\d+ yaml: /);
  });
});

describe('variables', () => {
  it('are replaced in any scalar', () => {
    const text = small('mail.example.com', '${HOST}').replace('./data/keys.json', '"${DIR:-/srv}/keys.json"');
    expect(parse(text, { HOST: 'imap.example.com' })).toMatchObject({
      hostname: 'imap.example.com',
      keys: { file: '/srv/keys.json' },
    });
    expect(parse(text, { HOST: 'imap.example.com', DIR: '' }).keys.file).toBe('/srv/keys.json');
  });

  it('become numbers and flags where those are wanted, and stay text elsewhere', () => {
    const text = `${SMALL.replace('passwordFile: ./master', 'password: "${PIN}"').replace(
      'tls: implicit\n    login',
      'tls: implicit\n    acceptUnauthenticate: ${YES}\n    login',
    )}limits: { connections: "\${N}", idle: "\${IDLE:-1h}" }\n`;
    const config = parse(text, { PIN: '0123', N: '17', YES: 'true' });
    expect(config.limits).toMatchObject({ connections: 17, idle: 3_600_000 });
    expect(config.upstreams.dovecot).toMatchObject({ acceptUnauthenticate: true });
    expect(passwordOf(config.upstreams.dovecot!)).toBe('0123');
  });

  it('that hold no number are told where one is wanted', () => {
    const text = `${SMALL}limits: { connections: "\${N}" }\n`;
    for (const value of ['many', '1e3', '0x10', '', '99999999999999999999', '1 # one']) {
      expect(mistakes(text, { N: value })).toEqual([
        'postern.yaml:15:24 limits.connections: is what "${N}" gives, must be a whole number from 1 to 1000000',
      ]);
    }
  });

  it('are never read as YAML', () => {
    const evil = 'a.example.com\nlog: { level: trace }';
    expect(mistakes(small('mail.example.com', '${HOST}'), { HOST: evil })).toEqual([
      expect.stringContaining('hostname: is what "${HOST}" gives'),
    ]);
    const config = parse(small('user: postern', 'user: "${WHO}"'), { WHO: '*master ${HOME} {a: b}' });
    expect(config.upstreams.dovecot!.login).toMatchObject({ user: '*master ${HOME} {a: b}' });
  });

  it('that are not set, or not written right, are told once', () => {
    expect(mistakes(small('mail.example.com', '${HOST}'))).toEqual([
      'postern.yaml:1:11 hostname: needs the environment variable HOST, which is not set, must be set or be ${HOST:-default}',
    ]);
    expect(mistakes(small('mail.example.com', '${toString}'))).toHaveLength(1);
    for (const wrong of ['"${HOST"', '"${}"', '"${1}"', '"${A-b}"']) {
      expect(mistakes(small('mail.example.com', wrong))).toEqual([
        expect.stringContaining('hostname: has a ${ that begins no variable'),
      ]);
    }
  });

  it('have an escape', () => {
    const config = parse(small('user: postern', 'user: "$${HOME} $HOME $5"'));
    expect(config.upstreams.dovecot!.login).toMatchObject({ user: '${HOME} $HOME $5' });
  });

  it('between braces need quotes, and that is said', () => {
    expect(mistakes(`${SMALL}limits: { connections: \${N} }\n`)).toEqual([
      'postern.yaml:15:25 yaml: has a variable between braces, must be in quotes there',
    ]);
  });
});
