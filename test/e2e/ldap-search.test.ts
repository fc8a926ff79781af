// ldapsearch reads a real slapd through Postern, by every name that people bind with, and hears what it would hear from slapd itself.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DirectoryAccount, ldapSearch, ldapTool, namesIn } from '../support/ldap-clients.ts';
import { ALICE, BOB, type DirectoryChain, startPosternBeforeSlapd } from '../support/postern-before-slapd.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { BASE, PEOPLE, SERVICE, ZOE } from '../support/slapd.ts';

/** Result codes (RFC 4511 appendix A), which are the exit codes of ldap-utils. */
const OPERATIONS_ERROR = 1;
const CONSTRAINT_VIOLATION = 19;
const INVALID_CREDENTIALS = 49;
const INSUFFICIENT_ACCESS = 50;
const UNAVAILABLE = 52;
const UNWILLING = 53;

describe.each(['implicit', 'starttls'] as const)('upstream %s', (upstream) => {
  let chain: DirectoryChain;
  beforeAll(async () => {
    chain = await startPosternBeforeSlapd({ tls: upstream });
  });
  afterAll(() => chain?.[Symbol.asyncDispose]());

  test.each(['implicit', 'starttls'] as const)('client %s: alice reads as slapd lets her', async (tls) => {
    const account = await chain.account('alice@example.com', ALICE, tls);
    const through = await ldapSearch(account, ['-b', BASE]);
    expect(through).toMatchObject({ code: 0, stderr: '' });
    expect(through.stdout).toBe((await ldapSearch(chain.direct(ALICE), ['-b', BASE])).stdout);
    expect(namesIn(through.stdout)).toContain(`cn=plan of team-a,ou=team-a,${BASE}`);
  });
});

describe('names', () => {
  let chain: DirectoryChain;
  let alice: DirectoryAccount;
  beforeAll(async () => {
    chain = await startPosternBeforeSlapd();
    alice = await chain.account('alice@example.com');
  });
  afterAll(() => chain?.[Symbol.asyncDispose]());

  const whoAmI = async (account: DirectoryAccount) => {
    const { code, stdout } = await ldapTool('ldapwhoami', account, []);
    return code === 0 ? stdout.trim() : code;
  };

  test.each([
    ALICE,
    'UID=Alice, OU=People,DC=Example,DC=COM',
    'uid=\\61lice,ou=people,dc=example,dc=com',
    'EXAMPLE\\alice',
    'alice@example.com',
    'Alice@EXAMPLE.COM',
    'alice',
  ])('%s is alice', async (name) => {
    expect(await whoAmI({ ...alice, name })).toBe(`dn:${ALICE}`);
  });

  test('a service binds as itself, with an app password of its own', async () => {
    expect(await whoAmI(await chain.account('nextcloud@example.com', SERVICE))).toBe(`dn:${SERVICE}`);
  });

  test('whom no template reaches is looked for: by name, and by the DN that a search has found', async () => {
    const zoe = await chain.account('zoe@example.com');
    for (const name of ['zoe@example.com', 'Smith, Zoe', ZOE, `CN=smith\\, zoe, OU=Sales,${BASE}`]) {
      expect(await whoAmI({ ...zoe, name }), name).toBe(`dn:${ZOE}`);
    }
  });

  test('somebody else’s name is refused, and so are names that are nobody’s', async () => {
    for (const name of [
      BOB,
      ZOE,
      'Smith, Zoe',
      'uid=*,ou=people,dc=example,dc=com',
      'alice)(uid=*',
      '*',
      'OTHER\\alice',
      PEOPLE,
      `uid=alice+cn=Alice Example,${PEOPLE}`,
      `uid=alice\\00,${PEOPLE}`,
      `uid=alice\\,${PEOPLE}`,
      `uid="alice",${PEOPLE}`,
      chain.slapd.postern.dn,
      // What slapd calls no name at all (34).
      `shoe=44,${BASE}`,
      `1.2.3.4=x,${BASE}`,
      `mail=\\c3\\a9,${PEOPLE}`,
      'é'.repeat(300),
    ]) {
      expect(await whoAmI({ ...alice, name }), name).toBe(INVALID_CREDENTIALS);
    }
    expect(chain.postern.log()).not.toContain('upstream_refused');
  });
});

describe('what slapd hears, and what it does not', () => {
  let chain: DirectoryChain;
  beforeAll(async () => {
    chain = await startPosternBeforeSlapd();
  });
  afterAll(() => chain?.[Symbol.asyncDispose]());

  /** Everything that slapd was told, as connections and operations. */
  const told = () =>
    [...chain.slapd.log().matchAll(/conn=\d+ (?:fd=\d+ ACCEPT|op=\d+ (?:BIND|SRCH|CMP|MOD|ADD|DEL|EXT))/g)]
      .length;

  test('a wrong guess never gets there, nor does the user’s own password', async () => {
    const direct = chain.direct(ALICE);
    expect((await ldapTool('ldapwhoami', direct, [])).stdout.trim()).toBe(`dn:${ALICE}`);
    const right = await chain.account('alice@example.com', ALICE);
    const wrong = (await chain.account('bob@example.com')).password;
    const before = told();
    const { length } = chain.slapd.log();
    for (const password of [wrong, chain.slapd.userPassword, chain.slapd.postern.password]) {
      for (const name of [ALICE, 'alice', chain.slapd.postern.dn]) {
        // A name that no template reaches is looked for, if the secret looks like an app password.
        if (name === chain.slapd.postern.dn && password === wrong) continue;
        const { code } = await ldapTool('ldapwhoami', { ...right, name, password }, []);
        expect(code).toBe(INVALID_CREDENTIALS);
      }
    }
    expect(told()).toBe(before);
    const looked = { ...right, name: chain.slapd.postern.dn, password: wrong };
    expect((await ldapTool('ldapwhoami', looked, [])).code).toBe(INVALID_CREDENTIALS);
    expect(told()).toBeGreaterThan(before);
    expect(chain.slapd.log().slice(length)).not.toMatch(/BIND dn="(uid|cn=alice)|err=49/i);
  });

  test('a name without a password is no anonymous Bind', async () => {
    const account = { ...(await chain.account('alice@example.com', ALICE)), password: '' };
    const before = told();
    expect((await ldapTool('ldapwhoami', account, [])).code).toBe(UNWILLING);
    expect(told()).toBe(before);
  });

  test('nobody, as ldapsearch -x without a name binds: the root DSE as slapd has it, and nothing else', async () => {
    const nobody = (more: Partial<DirectoryAccount> = {}): DirectoryAccount => ({
      port: chain.ports.ldaps,
      tls: 'implicit',
      name: '',
      password: '',
      caFile: chain.pki.ca.certFile,
      ...more,
    });
    const rootDse = ['-s', 'base', '-b', '', '(objectClass=top)', '*', '+'];
    const attribute = (ldif: string, name: string) =>
      [...ldif.matchAll(new RegExp(`^${name}: (.*)$`, 'gm'))].map(([, value]) => value).sort();
    await expect
      .poll(async () => (await ldapSearch(nobody(), rootDse)).stdout, { timeout: 20_000, interval: 200 })
      .toContain('namingContexts');
    const bound = (await ldapSearch(await chain.account('alice@example.com', ALICE), rootDse)).stdout;
    const before = told();
    const { code, stdout } = await ldapSearch(nobody(), rootDse);
    expect(code).toBe(0);
    for (const name of ['namingContexts', 'subschemaSubentry', 'supportedControl', 'supportedFeatures']) {
      expect(attribute(stdout, name), name).not.toEqual([]);
      expect(attribute(stdout, name), name).toEqual(attribute(bound, name));
    }
    expect(attribute(stdout, 'supportedControl')).not.toContain('2.16.840.1.113730.3.4.18');
    expect(attribute(stdout, 'supportedExtension')).toEqual(['1.3.6.1.1.8', '1.3.6.1.4.1.4203.1.11.3']);
    expect(attribute(stdout, 'configContext')).toEqual([]);
    const inClear = nobody({ port: chain.ports.ldap, tls: 'starttls' });
    expect((await ldapSearch(inClear, rootDse)).stdout).toBe(stdout);
    expect((await ldapSearch(nobody(), ['-b', BASE])).code).toBe(OPERATIONS_ERROR);
    // Strangers never get there.
    expect(told()).toBe(before);
  });

  test('writing is refused here, unless the route allows it', async () => {
    const account = await chain.account('alice@example.com', ALICE);
    await ldapSearch(account, ['-b', BASE, '-s', 'base']);
    const change = `dn: ${ALICE}\nchangetype: modify\nreplace: description\ndescription: mine\n`;
    expect((await ldapTool('ldapmodify', account, [], change)).code).toBe(INSUFFICIENT_ACCESS);
    expect((await ldapTool('ldapdelete', account, [BOB])).code).toBe(INSUFFICIENT_ACCESS);
    expect((await ldapTool('ldappasswd', account, ['-s', ledger('Zw0-new-one-for-alice')])).code).not.toBe(0);
    expect(chain.slapd.log()).not.toMatch(/ (MOD|DEL|PASSMOD) /);
    expect((await ldapTool('ldapcompare', account, [ALICE, 'sn:Example'])).code).toBe(6);
  });

  test('a client’s own proxied authorization is refused', async () => {
    const account = await chain.account('alice@example.com', ALICE);
    const bobs = ['-e', `!authzid=dn:${BOB}`, '-b', `ou=team-b,${BASE}`];
    const { code, stdout } = await ldapSearch(account, bobs);
    expect(code).not.toBe(0);
    expect(namesIn(stdout)).toEqual([]);
  });
});

describe('what a client says of itself by a control', () => {
  let chain: DirectoryChain;
  let account: DirectoryAccount;
  beforeAll(async () => {
    chain = await startPosternBeforeSlapd({ directory: '{ operations: [search, modify, add] }' });
    account = await chain.account('alice@example.com', ALICE);
  });
  afterAll(() => chain?.[Symbol.asyncDispose]());

  test('is not in slapd’s log (session tracking), where it is if it goes there directly', async () => {
    const tracked = (value: string) => ['-e', 'sessiontracking', '-b', BASE, '-s', 'base', `(cn=${value})`];
    expect((await ldapSearch(chain.direct(ALICE), tracked('directly'))).code).toBe(0);
    await chain.slapd.logged(/op=\d+ \[IP=\S+ NAME=[^\]]*\] SRCH .*cn=directly/);
    const from = chain.slapd.log().length;
    expect((await ldapSearch(account, tracked('through'))).code).toBe(0);
    await chain.slapd.logged(/cn=through/);
    expect(chain.slapd.log().slice(from)).not.toMatch(/NAME=|USERNAME=/);
  });

  test('but what Postern knows of it is, if the config says so', async () => {
    await using telling = await startPosternBeforeSlapd({
      userEntry: `sessionTracking: true\n    userDn: "uid={local},${PEOPLE}"`,
    });
    const alice = await telling.account('alice@example.com', ALICE);
    const tracked = ['-e', 'sessiontracking', '-b', BASE, '-s', 'base', '(cn=told)'];
    expect((await ldapSearch(alice, tracked)).code).toBe(0);
    const [line] = await telling.slapd.logged(/.* SRCH .*cn=told.*/);
    expect(line).toMatch(/\[IP=127\.0\.0\.1 NAME=postern\/[\w-]+ USERNAME=alice@example\.com\]/);
  });

  test('does not make it anybody’s creator (relaxed rules)', async () => {
    const forged = `dn: ${ALICE}\nchangetype: modify\nreplace: modifiersName\nmodifiersName: ${BOB}\n`;
    expect((await ldapTool('ldapmodify', account, ['-e', 'relax'], forged)).code).toBe(CONSTRAINT_VIOLATION);
    const from = chain.slapd.log().length;
    expect((await ldapTool('ldapmodify', account, ['-e', '!relax'], forged)).code).toBe(12);
    expect(chain.slapd.log().slice(from)).not.toContain(' MOD ');
  });
});

describe('each user sees what slapd shows that user', () => {
  let chain: DirectoryChain;
  beforeAll(async () => {
    chain = await startPosternBeforeSlapd({ directory: '{ operations: [search, modify] }' });
  });
  afterAll(() => chain?.[Symbol.asyncDispose]());

  const plans = async (account: DirectoryAccount) =>
    namesIn((await ldapSearch(account, ['-b', BASE, '(cn=plan*)', '1.1'])).stdout);

  test('alice her team, bob his, the service neither', async () => {
    expect(await plans(await chain.account('alice@example.com', ALICE))).toEqual([
      `cn=plan of team-a,ou=team-a,${BASE}`,
    ]);
    expect(await plans(await chain.account('bob@example.com', BOB))).toEqual([
      `cn=plan of team-b,ou=team-b,${BASE}`,
    ]);
    expect(await plans(await chain.account('nextcloud@example.com', SERVICE))).toEqual([]);
    expect(await plans(chain.direct())).toEqual([]);
  });

  test('in pages, too', async () => {
    const account = await chain.account('alice@example.com', ALICE);
    const { stdout, code } = await ldapSearch(account, [
      '-E',
      'pr=1/noprompt',
      '-b',
      BASE,
      '(cn=plan*)',
      '1.1',
    ]);
    expect(code).toBe(0);
    expect(namesIn(stdout)).toEqual([`cn=plan of team-a,ou=team-a,${BASE}`]);
  });

  test('and writes what slapd lets that user write', async () => {
    const account = await chain.account('alice@example.com', ALICE);
    const change = (dn: string) =>
      `dn: ${dn}\nchangetype: modify\nreplace: description\ndescription: through Postern\n`;
    expect((await ldapTool('ldapmodify', account, [], change(ALICE))).code).toBe(0);
    expect((await ldapTool('ldapmodify', account, [], change(BOB))).code).toBe(INSUFFICIENT_ACCESS);
    const { stdout } = await ldapSearch(chain.direct(), ['-b', PEOPLE, '(description=*)', 'description']);
    expect(stdout).toBe(`dn: ${ALICE}\ndescription: through Postern\n\n`);
  });
});

describe('what goes wrong behind Postern', () => {
  test('with bind, everyone sees what Postern’s account sees, and “Who am I” still answers for the user', async () => {
    await using chain = await startPosternBeforeSlapd({ method: 'bind', userEntry: '' });
    const account = await chain.account('alice@example.com', ALICE);
    expect((await ldapTool('ldapwhoami', account, [])).stdout.trim()).toBe('u:alice@example.com');
    expect((await ldapSearch(account, ['-b', BASE])).stdout).toBe(
      (await ldapSearch(chain.direct(), ['-b', BASE])).stdout,
    );
  });

  test('a user without an entry, and a slapd that is silent, are unavailable and no wrong password', async () => {
    await using chain = await startPosternBeforeSlapd({ userEntry: `userDn: "uid={local},${PEOPLE}"` });
    const ghost = await chain.account('ghost@example.com');
    expect((await ldapTool('ldapwhoami', ghost, [])).code).toBe(UNAVAILABLE);
    await chain.postern.logged(/"reason":"upstream_no_entry"/);
    const alice = await chain.account('alice@example.com');
    expect((await ldapTool('ldapwhoami', alice, [])).stdout.trim()).toBe(`dn:${ALICE}`);
    chain.slapd.freeze();
    try {
      expect((await ldapTool('ldapwhoami', { ...alice, name: 'Smith, Zoe' }, [])).code).toBe(UNAVAILABLE);
      await chain.postern.logged(/"reason":"name_lookup"/);
    } finally {
      chain.slapd.thaw();
    }
    await chain.slapd.stop();
    expect((await ldapTool('ldapwhoami', alice, [])).code).toBe(UNAVAILABLE);
    await chain.postern.logged(/"reason":"upstream_unreachable"/);
  });

  test('refusing Postern’s own account is loud, and no wrong password', async () => {
    await using chain = await startPosternBeforeSlapd({
      wrongPassword: ledger('cJ7-not-the-one-of-that-account'),
    });
    const alice = await chain.account('alice@example.com');
    expect((await ldapTool('ldapwhoami', alice, [])).code).toBe(UNAVAILABLE);
    await chain.postern.logged(/"event":"upstream_refused".*upstream_refused_postern/);
  });
});
