// Making app passwords, by the real pages behind the real server and over HTTP: how many there come to be.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkSet } from '../../../src/lib/network.ts';
import { assets } from '../../../src/portal/pages/assets.ts';
import { noticePage } from '../../../src/portal/pages/notice.ts';
import { pages } from '../../../src/portal/pages/pages.ts';
import { csrfOf, HttpBrowser, type Page } from '../../support/http-browser.ts';
import { alice, type Site, signIn, startSite } from './harness.ts';

let site: Site;
beforeAll(async () => {
  site = await startSite((terms) => ({ ...terms, trustedProxies: new NetworkSet(['127.0.0.0/8']) }), {
    pages: { pages, assets, noticePage },
  });
});
afterAll(() => site?.[Symbol.asyncDispose]());

test('of a thousand forms at once at 39 of 40, one makes an app password, and one alone', async () => {
  for (let n = 0; n < 39; n++) await site.passwords.create({ user: alice, name: `device ${n}` });
  // From ten browsers in ten networks: more of one would be held back before they come to it.
  const browsers: { browser: HttpBrowser; from: string; csrf: string }[] = [];
  for (let n = 0; n < 10; n++) {
    const browser = new HttpBrowser();
    await signIn(site, browser);
    browsers.push({ browser, from: `192.0.2.${n}`, csrf: csrfOf(await browser.open(`${site.url}/new`)) });
  }
  const forms = browsers.flatMap(({ browser, from, csrf }, one) =>
    Array.from({ length: 100 }, (_, n) => () => {
      const once = `${one}-${n}`.padEnd(22, 'x');
      const form = { _csrf: csrf, once, name: `more ${one} ${n}`, use: 'mail', expiry: 'never' };
      return browser.post(`${site.url}/new`, form, { headers: { 'x-forwarded-for': from } });
    }),
  );
  // As many at a time as the portal has connections for, nearly.
  const answers: Page[] = [];
  const sendAll = async () => {
    for (let send = forms.pop(); send !== undefined; send = forms.pop()) answers.push(await send());
  };
  await Promise.all(Array.from({ length: 400 }, sendAll));
  expect(answers).toHaveLength(1000);
  const shown = answers.filter(({ body }) => body.includes('data-secret'));
  expect(shown.map(({ status }) => status)).toEqual([200]);
  // The others are told that there are 40, or that the queue of what hashes is full.
  const refused = answers.filter((answer) => !shown.includes(answer));
  expect(refused.filter(({ status }) => status !== 409 && status !== 503)).toEqual([]);
  expect(await site.passwords.list({ user: alice })).toHaveLength(40);
  expect(await site.store.audit({ user: alice, most: 100 })).toSatisfy(
    (records: { action: string }[]) => records.filter(({ action }) => action === 'created').length === 1,
  );
});
