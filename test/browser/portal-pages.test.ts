// Every page of the portal on a desktop's width in the light theme and on a phone's in the dark one: axe finds nothing wrong, nor with
// the colours of the other theme, and nothing is cut off. With POSTERN_SCREENSHOTS=1 this also makes the pictures of docs/portal/.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Notice } from '../../src/portal/pages-interface.ts';
import { DESKTOP, launchBrowser, openPage, PHONE, violations } from './browser.ts';
import { ALICE, type Gallery, NOW, RECORDS, record, SETTINGS, startGallery } from './gallery.ts';

const PICTURES = join(import.meta.dirname, '..', '..', 'docs', 'portal');
const wantsPictures = process.env.POSTERN_SCREENSHOTS === '1';

const NOTICES: readonly Notice[] = [
  { kind: 'two_step_missing', user: ALICE, retry: '/sign-in' },
  { kind: 'not_allowed' },
  { kind: 'unusable_name' },
  { kind: 'user_disabled' },
  { kind: 'provider_unavailable', retry: '/sign-in' },
  { kind: 'sign_in_failed', retry: '/sign-in' },
  { kind: 'sign_in_cancelled', retry: '/sign-in' },
  { kind: 'sign_in_not_fresh', retry: '/sign-in' },
  { kind: 'signed_out' },
  { kind: 'stale_form' },
  { kind: 'too_many_requests' },
  { kind: 'too_large' },
  { kind: 'not_found' },
  { kind: 'unavailable' },
  { kind: 'internal_error', id: 'dQw4w9Wg' },
  { kind: 'continue', to: '/nowhere' },
];

/** How to get to each page. `picture`: it is in docs/portal/. */
interface Stop {
  readonly name: string;
  readonly picture?: boolean;
  readonly prepare?: (gallery: Gallery) => void;
  readonly go: (page: Page, url: string) => Promise<unknown>;
}

const fillIn = async (page: Page, url: string, name: string) => {
  await page.goto(`${url}/new`);
  await page.getByLabel('Name of the device').fill(name);
  await page.getByRole('button', { name: 'Make app password' }).click();
};
const ask = async (page: Page, link: string) => {
  await page.getByRole('link', { name: link }).click();
  await page.getByRole('dialog').waitFor();
};
const admin = (gallery: Gallery) => {
  gallery.isAdmin = true;
};

const OWN: readonly Stop[] = [
  { name: 'list', picture: true, go: (page, url) => page.goto(`${url}/`) },
  {
    name: 'list-empty',
    picture: true,
    prepare: (gallery) => {
      gallery.records = [];
    },
    go: (page, url) => page.goto(`${url}/`),
  },
  {
    name: 'list-full',
    prepare: (gallery) => {
      gallery.records = Array.from({ length: 40 }, (_, n) => record(`ap_${1e11 + n}2`, `Device ${n + 1}`));
    },
    go: (page, url) => page.goto(`${url}/`),
  },
  {
    name: 'list-troubled',
    prepare: (gallery) => {
      gallery.settings = { ...SETTINGS, creation: false };
      const refused = {
        at: NOW - 60_000,
        from: '2001:db8:1234:5678:9abc:def0:1234:5678',
        protocol: 'ldap',
      } as const;
      gallery.records = [
        record('ap_expired22222', `${'W'.repeat(63)}!`, {
          expiresAt: NOW - 1000,
          networks: ['10.0.0.0/8', '2001:db8::/32'],
          lastRefused: { ...refused, client: 'x'.repeat(100) },
        }),
        record('ap_hebrew222222', 'מחשב נייד (ישן)', { lastRefused: { ...refused, client: null } }),
      ];
    },
    go: (page, url) => page.goto(`${url}/?done=renamed&id=ap_hebrew222222`),
  },
  { name: 'new', picture: true, go: (page, url) => page.goto(`${url}/new`) },
  { name: 'new-refused', picture: true, go: (page, url) => fillIn(page, url, 'Old tablet') },
  {
    name: 'made',
    picture: true,
    go: async (page, url) => {
      await fillIn(page, url, 'Outlook on the old PC');
      await page.getByText('Outlook 2010 and older').click();
    },
  },
  {
    name: 'setup',
    picture: true,
    go: async (page, url) => {
      await page.goto(`${url}/`);
      await page.getByRole('link', { name: 'Set up a device' }).click();
      await page.getByText('Thunderbird', { exact: true }).click();
    },
  },
  {
    name: 'setup-without-servers',
    prepare: (gallery) => {
      gallery.settings = { ...SETTINGS, usableBy: () => [] };
    },
    go: (page, url) => page.goto(`${url}/setup`),
  },
  {
    name: 'nothing-to-make-one-for',
    prepare: (gallery) => {
      gallery.settings = { ...SETTINGS, usableBy: () => [] };
    },
    go: (page, url) => page.goto(`${url}/new`),
  },
  {
    name: 'already-made',
    go: async (page, url) => {
      await fillIn(page, url, 'Kitchen radio');
      await page.locator('#password').waitFor();
      await page.reload();
    },
  },
  {
    name: 'delete-dialogue',
    picture: true,
    go: async (page, url) => {
      await page.goto(`${url}/`);
      await ask(page, 'Delete app password for Dad’s laptop');
    },
  },
  { name: 'delete', go: (page, url) => page.goto(`${url}/passwords/ap_laptop222222/delete`) },
  { name: 'delete-all', go: (page, url) => page.goto(`${url}/delete-all`) },
  {
    name: 'rename-dialogue',
    go: async (page, url) => {
      await page.goto(`${url}/`);
      await ask(page, 'Rename app password for Old tablet');
    },
  },
  { name: 'rename', go: (page, url) => page.goto(`${url}/passwords/ap_tablet222222/rename`) },
  {
    name: 'full',
    prepare: (gallery) => {
      gallery.settings = { ...SETTINGS, maxPerUser: 4 };
    },
    go: (page, url) => page.goto(`${url}/new`),
  },
  {
    name: 'creation-off',
    prepare: (gallery) => {
      gallery.settings = { ...SETTINGS, creation: false };
    },
    go: (page, url) => page.goto(`${url}/new`),
  },
];

const ADMINS: readonly Stop[] = [
  { name: 'admin', picture: true, prepare: admin, go: (page, url) => page.goto(`${url}/admin`) },
  {
    name: 'admin-person',
    picture: true,
    prepare: admin,
    go: (page, url) => page.goto(`${url}/admin/person?user=${ALICE}`),
  },
  {
    name: 'admin-disable',
    prepare: admin,
    go: (page, url) => page.goto(`${url}/admin/person/disable?user=${ALICE}`),
  },
  { name: 'admin-trail', picture: true, prepare: admin, go: (page, url) => page.goto(`${url}/admin/trail`) },
];

const SAYING: readonly Stop[] = NOTICES.map(({ kind }, number) => ({
  name: kind.replaceAll('_', '-'),
  picture: kind === 'two_step_missing' || kind === 'signed_out',
  go: (page: Page, url: string) => page.goto(`${url}/notice/${number}`),
}));

let browser: Browser;
let gallery: Gallery;
beforeAll(async () => {
  [browser, gallery] = await Promise.all([launchBrowser(), startGallery()]);
  gallery.notices.push(...NOTICES);
  mkdirSync(PICTURES, { recursive: true });
});
afterAll(async () => {
  await browser?.close();
  await gallery?.[Symbol.asyncDispose]();
});

describe.each([
  { viewport: DESKTOP, theme: 'light', picture: 'desktop-light' },
  { viewport: PHONE, theme: 'dark', picture: 'phone-dark' },
] as const)('$viewport.width pixels, $theme', ({ viewport, theme, picture }) => {
  test.each([
    { whose: 'the user’s own', stops: OWN },
    { whose: 'the admin’s', stops: ADMINS },
    { whose: 'that say one thing', stops: SAYING },
  ])(
    'pages $whose: axe finds no violation, nothing is wider than the screen, the CSP refuses nothing',
    async ({ stops }) => {
      const { context, page, faults } = await openPage(browser, { viewport, theme });
      const otherTheme = theme === 'light' ? 'dark' : 'light';
      // Where there is nothing to go to, a page that leads on stays.
      await page.route('**/nowhere', (route) => route.fulfill({ status: 204 }));
      const found: string[] = [];
      for (const stop of stops) {
        gallery.records = [...RECORDS];
        gallery.settings = SETTINGS;
        gallery.isAdmin = false;
        stop.prepare?.(gallery);
        await stop.go(page, gallery.url);
        await page.getByRole('heading', { level: 1 }).first().waitFor();
        for (const violation of await violations(page)) found.push(`${stop.name}: ${violation}`);
        await page.emulateMedia({ colorScheme: otherTheme });
        for (const violation of await violations(page, 'color-contrast')) {
          found.push(`${stop.name}, ${otherTheme}: ${violation}`);
        }
        await page.emulateMedia({ colorScheme: theme });
        const overhang = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
        if (overhang > 0) found.push(`${stop.name}: ${overhang} pixels wider than the screen`);
        if (wantsPictures && stop.picture === true) {
          const isDialogue = stop.name.endsWith('dialogue');
          await page.screenshot({
            path: join(PICTURES, `${stop.name}-${picture}.png`),
            fullPage: !isDialogue,
            caret: 'hide',
            animations: 'disabled',
          });
        }
      }
      expect(found).toEqual([]);
      expect(faults).toEqual([]);
      await context.close();
    },
  );
});
