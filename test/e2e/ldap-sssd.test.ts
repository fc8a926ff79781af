// sssd makes users of a directory that gives no more than 100 entries at a time. It reads the root DSE once, before it binds, and pages only
// if that says that there are paged results: so this works by what Postern tells strangers.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { ldapSearch } from '../support/ldap-clients.ts';
import { ALICE, type DirectoryChain, startPosternBeforeSlapd } from '../support/postern-before-slapd.ts';
import { PEOPLE } from '../support/slapd.ts';
import { enumerateBySssd } from '../support/sssd.ts';

const LIMIT = 100;
const USERS = Array.from({ length: 3 * LIMIT - 1 }, (_, n) => `unix${n}`);
const SIZE_LIMIT_EXCEEDED = 4;

let chain: DirectoryChain;
beforeAll(async () => {
  chain = await startPosternBeforeSlapd({
    slapd: {
      database: `
include /etc/ldap/schema/nis.schema
limits dn.exact="${ALICE}" size=${LIMIT} size.pr=${LIMIT} size.prtotal=unlimited
`,
      entries: USERS.map(
        (uid, n) => `
dn: uid=${uid},${PEOPLE}
objectClass: inetOrgPerson
objectClass: posixAccount
uid: ${uid}
cn: ${uid}
sn: ${uid}
uidNumber: ${100_000 + n}
gidNumber: 100000
homeDirectory: /home/${uid}
`,
      ),
    },
  });
});
afterAll(() => chain?.[Symbol.asyncDispose]());

test('it pages past the directory’s limit, and finds everyone', { timeout: 180_000 }, async () => {
  const account = await chain.account('alice@example.com', ALICE);
  const unpaged = await ldapSearch(account, ['-b', PEOPLE, '(objectClass=posixAccount)', '1.1']);
  expect(unpaged.code).toBe(SIZE_LIMIT_EXCEEDED);

  const found = await enumerateBySssd(account, { base: PEOPLE, pageSize: LIMIT });
  expect(found.sort()).toEqual([...USERS].sort());
});
