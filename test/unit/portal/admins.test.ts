// Being an admin, by the real pages behind the real server: it ends with the group, before anything more is changed.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { assets } from '../../../src/portal/pages/assets.ts';
import { noticePage } from '../../../src/portal/pages/notice.ts';
import { pages } from '../../../src/portal/pages/pages.ts';
import { csrfOf, HttpBrowser } from '../../support/http-browser.ts';
import { bob, type Site, signIn, startSite } from './harness.ts';

let site: Site;
beforeAll(async () => {
  site = await startSite(undefined, { pages: { pages, assets, noticePage } });
});
afterAll(() => site?.[Symbol.asyncDispose]());

const isDisabled = async () => (await site.store.select(bob, [])).userDisabled;

test('who has left the group changes nothing once the sign-in is old: the next one tells', async () => {
  const browser = new HttpBrowser();
  const get = (path: string) => browser.request(`${site.url}${path}`);
  await signIn(site, browser, { groups: ['mail-admins'] });
  const asked = await get('/admin/person/disable?user=bob%40example.com');
  expect(asked.status).toBe(200);
  const form = { _csrf: csrfOf(asked), user: 'bob@example.com' };
  site.ahead += 11 * 60_000;
  expect((await get('/admin')).status).toBe(200);
  // The form is still there, and leads to the sign-in.
  const sent = await browser.post(`${site.url}/admin/person/disable`, form);
  const to = /href="(\/sign-in\?fresh=1[^"]*)"/.exec(sent.body)?.[1]?.replaceAll('&amp;', '&') ?? 'none';
  expect(to).toContain('%2Fadmin%2Fperson%2Fdisable');
  site.ahead = 0;
  const back = await signIn(site, browser, { groups: ['staff'] }, to);
  const place = back.headers.get('location') ?? '';
  expect(place).toBe('/admin/person/disable?user=bob%40example.com');
  expect((await get(place)).status).toBe(404);
  expect((await get('/admin')).status).toBe(404);
  const again = await browser.post(`${site.url}/admin/person/disable`, {
    ...form,
    _csrf: csrfOf(await get('/')),
  });
  expect(again.status).toBe(404);
  expect(await isDisabled()).toBe(false);
});
