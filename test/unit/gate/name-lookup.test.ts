// Names that only a directory knows: when it is asked, and what its answer is worth.

import { expect, test } from 'vitest';
import type { LookUpName } from '../../../src/gate/gate.ts';
import { ALICE, gateHarness, OFFICE } from './harness.ts';

const ROUTES = [{ users: '*@example.com', imap: 'dovecot', ldap: 'slapd' }];
const ENTRY = 'cn=Alice Example,ou=people,dc=example,dc=com';

function withDirectory(answer: Awaited<ReturnType<LookUpName>> | Error) {
  const asked: string[][] = [];
  const harness = gateHarness({
    routes: ROUTES,
    lookUpName: async (...question) => {
      asked.push(question);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { ...harness, asked };
}

test('a name that it knows is that user, whose app password it takes', async () => {
  const gate = withDirectory({ name: 'Alice@Example.com' });
  const { secret } = gate.make();
  const decision = await gate.decide(secret, { login: ENTRY, protocol: 'ldap' });
  expect(decision).toMatchObject({
    verdict: { kind: 'admitted', user: ALICE, upstream: 'slapd' },
    user: ALICE,
  });
  expect(await gate.says(gate.wrong(), { login: ENTRY, protocol: 'ldap' })).toBe('refused bad_credentials');
  expect(gate.asked).toEqual([
    [ENTRY, `${OFFICE}/32`],
    [ENTRY, `${OFFICE}/32`],
  ]);
});

test('it is not asked about a name that is a user, about what is no app password, or by IMAP', async () => {
  const gate = withDirectory({ name: ALICE });
  const { secret } = gate.make();
  expect(await gate.says(secret, { protocol: 'ldap' })).toBe('admitted none');
  expect(await gate.says('her own password', { login: ENTRY, protocol: 'ldap' })).toBe(
    'refused not_an_app_password',
  );
  expect(await gate.says('', { login: ENTRY, protocol: 'ldap' })).toBe('refused empty_password');
  expect(await gate.says(secret, { login: ENTRY })).toBe('refused bad_credentials');
  expect(gate.asked).toEqual([]);
});

test.each([[null], [''], ['a b'], ['alice*postern'], ['x@y@z']])('%j is nobody', async (name) => {
  const gate = withDirectory({ name });
  const { secret } = gate.make();
  expect(await gate.says(secret, { login: ENTRY, protocol: 'ldap' })).toBe('refused bad_credentials');
});

test('a directory that cannot tell is no refusal', async () => {
  const away = withDirectory('unavailable');
  expect(await away.says(away.make().secret, { login: ENTRY, protocol: 'ldap' })).toBe(
    'unavailable name_lookup',
  );
  const broken = withDirectory(new Error('a mistake of ours'));
  expect(await broken.says(broken.make().secret, { login: ENTRY, protocol: 'ldap' })).toBe(
    'unavailable name_lookup',
  );
  expect(broken.log).toEqual(['internal error: name look-up: Error: a mistake of ours']);
});
