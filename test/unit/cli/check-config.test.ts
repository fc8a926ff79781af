import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { small } from '../config/example.ts';
import { run } from './terminal-double.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-cli-'));
const file = join(directory, 'postern.yaml');
const SECRET = 'hunter2-hunter2';
afterAll(() => rmSync(directory, { recursive: true }));

beforeAll(async () => {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'mail.example.com' }]);
  mkdirSync(join(directory, 'tls'));
  writeFileSync(join(directory, 'tls/chain.pem'), cert);
  writeFileSync(join(directory, 'tls/key.pem'), key, { mode: 0o600 });
  writeFileSync(join(directory, 'master'), `${SECRET}\n`, { mode: 0o600 });
  writeFileSync(file, small('tls: implicit\n    login', 'tls: none\n    login'));
});

describe('check-config', () => {
  it('says ok, what there is, and what to think about', async () => {
    const { code, out, err } = await run(['check-config', '--config', file]);
    expect([code, err]).toEqual([0, '']);
    expect(out).toBe(
      `warning: upstreams.dovecot.tls: is none, so mail and Postern's own password travel to imap.internal in clear; use implicit or starttls
ok: ${file}: 1 listener, 1 upstream, 1 route
`,
    );
  });

  it('finds the file by $POSTERN_CONFIG, but --config comes first', async () => {
    expect((await run(['check-config'], { POSTERN_CONFIG: file })).code).toBe(0);
    const none = join(directory, 'none.yaml');
    expect((await run(['check-config', '--config', none], { POSTERN_CONFIG: file })).code).toBe(78);
  });

  it('says the same in JSON', async () => {
    const { code, out } = await run(['check-config', '--config', file, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ ok: true, file, errors: [], warnings: [expect.any(String)] });
  });

  it('prints every mistake, each on its line, and exits with 78', async () => {
    const bad = join(directory, 'bad.yaml');
    writeFileSync(bad, `${small('users: "*@example.com"', 'users: everyone')}portalz: {}\n`);
    const { code, out, err } = await run(['check-config', '--config', bad]);
    expect([code, out]).toEqual([78, '']);
    expect(err.split('\n')).toEqual([
      'bad.yaml:14:14 routes[0].users: is "everyone", must be "*", "*@domain" or "user@domain", in quotes',
      expect.stringMatching(/^bad\.yaml:15:1 portalz: is not a known key, /),
      '',
    ]);
    const json = JSON.parse((await run(['check-config', '--config', bad, '--json'])).out);
    expect(json).toEqual({ ok: false, file: bad, errors: err.trimEnd().split('\n'), warnings: [] });
  });

  it('looks at the files that are named', async () => {
    chmodSync(join(directory, 'master'), 0o644);
    const { code, err } = await run(['check-config', '--config', file]);
    chmodSync(join(directory, 'master'), 0o600);
    expect(code).toBe(78);
    expect(err).toMatch(
      /^postern\.yaml:12:58 upstreams\.dovecot\.login\.passwordFile: names a file that every user/,
    );
    expect(err).not.toContain(SECRET);
  });
});

describe('print-config', () => {
  it('prints the configuration in effect without secrets', async () => {
    const { code, out, err } = await run(['print-config', '--config', file]);
    expect([code, err]).toEqual([0, '']);
    expect(out).not.toContain(SECRET);
    const shown = parse(out);
    expect(shown.upstreams.dovecot.login).toEqual({ method: 'plain', user: 'postern', password: '[secret]' });
    expect(shown.throttle.failureDelay).toBe('2s');
    expect(shown.keys.file).toBe(join(directory, 'data/keys.json'));
  });

  it('prints the same as JSON', async () => {
    const yaml = await run(['print-config', '--config', file]);
    const json = await run(['print-config', '--config', file, '--json']);
    expect(JSON.parse(json.out)).toEqual(parse(yaml.out));
  });
});
