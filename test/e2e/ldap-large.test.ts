// 20,000 entries with 50 MB of photos, through Postern and past it: the same bytes, whole, in pages and sorted.

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DirectoryAccount, ldapSearch, namesIn } from '../support/ldap-clients.ts';
import { ALICE, type DirectoryChain, startPosternBeforeSlapd } from '../support/postern-before-slapd.ts';
import { BASE } from '../support/slapd.ts';

const ENTRIES = 20_000;
const PHOTO = 2621;
const BOOK = `ou=book,${BASE}`;

/** LDIF in pieces. No two photos are the same, and none is random: a failure can be looked at again. */
function* addressBook(): Generator<string> {
  yield `\ndn: ${BOOK}\nobjectClass: organizationalUnit\nou: book\n`;
  for (let from = 0; from < ENTRIES; from += 1000) {
    const entries: string[] = [];
    for (let number = from; number < from + 1000; number++) {
      const photo = Buffer.alloc(PHOTO, createHash('sha512').update(String(number)).digest());
      photo.set([0xff, 0xd8, 0xff]);
      entries.push(
        `\ndn: uid=p${number},${BOOK}\nobjectClass: inetOrgPerson\nuid: p${number}\ncn: Person ${(number * 7919) % ENTRIES}\nsn: Person\nmail: p${number}@example.com\njpegPhoto:: ${photo.toString('base64')}\n`,
      );
    }
    yield entries.join('');
  }
}

let chain: DirectoryChain;
let through: DirectoryAccount;
beforeAll(async () => {
  chain = await startPosternBeforeSlapd({ slapd: { entries: addressBook() } });
  through = await chain.account('alice@example.com', ALICE);
});
afterAll(() => chain?.[Symbol.asyncDispose]());

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

test('all of it', async () => {
  const direct = await ldapSearch(chain.direct(ALICE), ['-b', BOOK]);
  const answer = await ldapSearch(through, ['-b', BOOK]);
  expect(answer).toMatchObject({ code: 0, stderr: '' });
  // base64 of the photos alone.
  expect(answer.stdout.length).toBeGreaterThan((ENTRIES * PHOTO * 4) / 3);
  expect(namesIn(answer.stdout)).toHaveLength(ENTRIES + 1);
  expect(sha256(answer.stdout)).toBe(sha256(direct.stdout));
});

test.each([
  ['in pages', ['-E', 'pr=500/noprompt']],
  ['sorted by the directory', ['-E', 'sss=cn:2.5.13.3']],
  ['sorted, and in pages', ['-E', 'sss=cn:2.5.13.3', '-E', 'pr=2000/noprompt']],
])('%s', async (_, controls) => {
  const args = [...controls, '-b', BOOK, '-s', 'one', '(uid=p1*)', 'cn'];
  const direct = await ldapSearch(chain.direct(ALICE), args);
  const answer = await ldapSearch(through, args);
  expect(answer.code).toBe(0);
  expect(namesIn(answer.stdout).length).toBeGreaterThan(10_000);
  // The cookie of a sorted page is an address in slapd's memory.
  const withoutCookies = (text: string) => text.replace(/^# pagedresults: .*\n/gm, '');
  expect(withoutCookies(answer.stdout)).toBe(withoutCookies(direct.stdout));
});

test('a ceiling on entries is the one that a search has', async () => {
  const { code, stdout } = await ldapSearch(through, ['-z', '7', '-b', BOOK, '(uid=*)', '1.1']);
  // sizeLimitExceeded
  expect(code).toBe(4);
  expect(namesIn(stdout)).toHaveLength(7);
});

test('Postern holds none of it', async () => {
  const metrics = await chain.postern.metrics();
  // Node's own 100 MB and what a relay may buffer, whatever passed.
  expect(metrics.value('process_resident_memory_bytes')).toBeLessThan(300 * 1024 * 1024);
  expect(
    metrics.value('postern_session_bytes_total', { protocol: 'ldap', direction: 'to_client' }),
  ).toBeGreaterThan(ENTRIES * PHOTO);
});
