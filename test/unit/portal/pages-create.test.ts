// Making an app password: what the form takes, and that what was made is shown once.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Once } from '../../../src/portal/pages/once.ts';
import type { PortalSettings } from '../../../src/portal/pages-interface.ts';
import { ALICE, type Gallery, NOW, SETTINGS, SHOWN, startGallery } from '../../browser/gallery.ts';
import { posted, textOf } from './pages-request.ts';

const DAY = 86_400_000;
const TYPED = { name: 'Kitchen radio', use: 'mail', expiry: 'never' };
let gallery: Gallery;
beforeEach(async () => {
  gallery = await startGallery({ listen: false });
});
afterEach(() => gallery[Symbol.asyncDispose]());

async function formToken(): Promise<string> {
  const { body } = await gallery.app.inject({ url: '/new' });
  return /name="once" value="([\w-]{22})"/.exec(body)?.[1] as string;
}
const create = async (typed: Record<string, string>, once?: string) =>
  posted(gallery, '/new', { ...typed, once: once ?? (await formToken()) });
const isShown = (html: string) => html.replace(/<[^>]*>/g, '').includes(SHOWN);
const made = () => gallery.records.filter(({ name }) => name === TYPED.name);

describe('shown once', () => {
  test('in four groups, with what to type where; nothing may keep the page', async () => {
    const page = await create(TYPED);
    expect(page.statusCode).toBe(200);
    expect(page.headers['cache-control']).toBe('no-store');
    expect(page.body).toContain('<span>mgfk</span><span>7w3h</span><span>xq9d</span><span>r5vn</span>');
    const text = textOf(page.body);
    for (const client of ['Outlook 2010', 'Thunderbird', 'Apple Mail', 'Android', 'Scanner']) {
      expect(text).toContain(client);
    }
    expect(text).toMatch(/Incoming mail \(IMAP\) Server mail\.example\.com Port 993 Security SSL\/TLS/);
    expect(gallery.said).toEqual([
      'audit alice@example.com created alice@example.com Kitchen radio',
      'mail created Kitchen radio',
    ]);
  });

  test('the same form again makes no other one and shows nothing', async () => {
    const token = await formToken();
    expect(isShown((await create(TYPED, token)).body)).toBe(true);
    const again = await create({ ...TYPED, name: 'Another name' }, token);
    expect(isShown(again.body)).toBe(false);
    expect(textOf(again.body)).toContain('The app password for Kitchen radio is made. It was shown once');
    expect(gallery.said).toHaveLength(2);
  });

  test('of a hundred that come at once, one is carried out and shown', async () => {
    const token = await formToken();
    const pages = await Promise.all(Array.from({ length: 100 }, () => create(TYPED, token)));
    expect(pages.filter(({ body }) => isShown(body))).toHaveLength(1);
    expect(made()).toHaveLength(1);
  });

  test('a form that was refused can be sent again', async () => {
    const token = await formToken();
    expect((await create({ ...TYPED, name: '' }, token)).statusCode).toBe(422);
    expect(isShown((await create(TYPED, token)).body)).toBe(true);
  });

  test.each(['', 'short', '__proto__', 'x'.repeat(23)])(
    'a form with the token %j makes nothing',
    async (once) => {
      const page = await create(TYPED, once);
      expect(page.statusCode).toBe(422);
      expect(page.body).toContain('value="Kitchen radio"');
      expect(made()).toHaveLength(0);
    },
  );

  test('of what was made an id and a name are kept, and nothing else', async () => {
    const once = new Once();
    const token = once.token();
    const made = { id: 'ap_1', name: 'Phone', hash: '$argon2id$', password: SHOWN };
    await once.run('alice@example.com', token, async () => made);
    const again = await once.run('alice@example.com', token, async () => made);
    expect(again).toEqual({ first: false, made: { id: 'ap_1', name: 'Phone' } });
  });

  test('tokens are kept in bounded number, each for its own user', async () => {
    const once = new Once(2);
    const work = async () => ({ id: 'one', name: 'One' });
    const token = once.token();
    expect((await once.run('alice', token, work)).first).toBe(true);
    expect((await once.run('alice', token, work)).first).toBe(false);
    expect((await once.run('bob', token, work)).first).toBe(true);
    await once.run('bob', once.token(), work);
    await once.run('bob', once.token(), work);
    expect((await once.run('alice', token, work)).first).toBe(true);
  });
});

describe('names', () => {
  test.each([
    ['', 'Enter a name'],
    ['   ', 'Enter a name'],
    ['n'.repeat(65), 'too long'],
    ['n'.repeat(1000), 'too long'],
    ['a\u0007b', 'invisible, control or text-direction'],
    ['abc\u202egpj.exe', 'invisible, control or text-direction'],
    ['zero\u200bwidth', 'invisible, control or text-direction'],
    ['dad’s LAPTOP', 'of this name already'],
  ])('%j: %s', async (name, problem) => {
    const page = await create({ ...TYPED, name });
    expect(page.statusCode).toBeGreaterThan(400);
    expect(textOf(page.body)).toContain(problem);
    expect(page.body).toContain('aria-invalid="true"');
    const kept = /id="field-name"[^>]* value="([^"]*)"/.exec(page.body)?.[1];
    expect(kept).toBe(name);
    expect(gallery.said).toEqual([]);
  });

  test('markup that was typed is text in the field', async () => {
    const page = await create({ ...TYPED, name: `"><script>alert(1)</script>${'x'.repeat(60)}` });
    expect(page.body).not.toContain('<script>alert');
  });

  test('a name of 64 characters of four bytes each comes back after a sign-in in between', async () => {
    gallery.isFresh = false;
    const name = '😀'.repeat(64);
    const page = await create({ ...TYPED, name }, 'x'.repeat(22));
    const path = page.headers['x-return-to'] as string;
    expect(path.length).toBeLessThan(1000);
    expect(path).toMatch(/^\/new\?[A-Za-z0-9_=&.%+-]*$/);
    expect(new URL(path, 'http://x').searchParams.get('name')).toBe(name);
    gallery.isFresh = true;
    expect((await gallery.app.inject({ url: path })).body).toContain(`value="${name}"`);
  });
});

describe('what it is for', () => {
  const allow = (scopes: PortalSettings['scopes'], more: Partial<PortalSettings> = {}) => {
    gallery.settings = { ...SETTINGS, scopes, ...more };
  };

  test.each([
    ['mail', ['imap', 'smtp']],
    ['address-book', ['ldap']],
    // What there is now: another protocol that comes later was not asked for.
    ['everything', ['imap', 'smtp', 'ldap']],
  ])('%s', async (use, scope) => {
    await create({ ...TYPED, use });
    expect(made()[0]?.scope).toEqual(scope);
  });

  test('everything is all that the admin allows', async () => {
    allow(['imap', 'ldap']);
    await create({ ...TYPED, use: 'everything' });
    expect(made()[0]?.scope).toEqual(['imap', 'ldap']);
  });

  test.each([
    [['ldap'], 'address-book'],
    [['smtp'], 'mail'],
  ] as const)('%j only: nothing to choose', async (scopes, use) => {
    allow(scopes);
    expect((await gallery.app.inject({ url: '/new' })).body).not.toContain('type="radio"');
    await create({ name: TYPED.name, expiry: 'never', use: 'everything' });
    expect(made()[0]?.scope).toEqual(scopes);
    expect(use).toBeDefined();
  });

  test.each<[string, PortalSettings['scopes'], string[], string[]]>([
    ['no directory', ['imap', 'smtp'], [], ['Address book', 'Everything']],
    ['no server to send with', ['imap', 'ldap'], ['Read mail.', 'Look people up.'], ['Read and send mail.']],
    ['no mailbox', ['smtp', 'ldap'], ['Send mail.', 'Look people up.'], ['Read']],
    ['all of it', ['imap', 'smtp', 'ldap'], ['Read and send mail.', 'Look people up.', 'Everything'], []],
  ])('where there is %s, it is not offered', async (_, usable, offered, missing) => {
    allow(SETTINGS.scopes, { usableBy: () => usable });
    const text = textOf((await gallery.app.inject({ url: '/new' })).body);
    for (const one of offered) expect(text).toContain(one);
    for (const one of missing) expect(text).not.toContain(one);
    await create({ ...TYPED, use: 'everything' });
    expect(made()[0]?.scope).toEqual(usable);
  });

  test('each user has what there is for them', async () => {
    allow(SETTINGS.scopes, { usableBy: (user) => (user === ALICE ? ['ldap'] : ['imap', 'smtp', 'ldap']) });
    await create({ ...TYPED, use: 'mail' });
    expect(made()[0]?.scope).toEqual(['ldap']);
  });

  test.each<[string, PortalSettings['scopes'], PortalSettings['scopes']]>([
    ['no route', ['imap', 'smtp'], []],
    ['only what the admin does not allow', ['ldap'], ['imap', 'smtp']],
  ])('%s: says so, and makes none', async (_, scopes, usable) => {
    allow(scopes, { usableBy: () => usable });
    const page = await gallery.app.inject({ url: '/new' });
    expect([page.statusCode, textOf(page.body).includes('Nothing to make one for')]).toEqual([403, true]);
    expect((await create(TYPED)).statusCode).toBe(403);
    expect(made()).toHaveLength(0);
  });

  test.each(['', 'ldap', 'constructor'])('%j is no use', async (use) => {
    const page = await create({ ...TYPED, use });
    expect(page.statusCode).toBe(422);
    expect(made()).toHaveLength(0);
  });

  test('an app password for the address book is told of the directory only', async () => {
    const text = textOf((await create({ ...TYPED, use: 'address-book' })).body);
    expect(text).toContain('Directory (LDAP) Server mail.example.com Port 636');
    expect(text).not.toContain('Thunderbird');
  });

  test('without servers that are named, whom to ask', async () => {
    allow(['imap'], { endpoints: [] });
    expect(textOf((await create(TYPED)).body)).toContain('Ask your administrator');
  });
});

describe('how long it works', () => {
  test('until it is deleted, or some days', async () => {
    await create(TYPED);
    await create({ ...TYPED, name: 'Guest', expiry: '30' });
    expect(gallery.records.slice(-2).map(({ expiresAt }) => expiresAt)).toEqual([null, NOW + 30 * DAY]);
  });

  test('not longer than the admin allows', async () => {
    gallery.settings = { ...SETTINGS, maxLifetime: 60 * DAY };
    for (const expiry of ['never', '90', '365', '']) {
      expect((await create({ ...TYPED, expiry })).statusCode, expiry).toBe(422);
    }
    await create({ ...TYPED, expiry: '60' });
    expect(made()[0]?.expiresAt).toBe(NOW + 60 * DAY);
  });
});

describe('when none can be made', () => {
  test('at the limit', async () => {
    gallery.settings = { ...SETTINGS, maxPerUser: 4 };
    const page = await gallery.app.inject({ url: '/new' });
    expect(page.statusCode).toBe(409);
    expect(textOf(page.body)).toContain('Delete one first');
    expect((await create(TYPED, 'x'.repeat(22))).statusCode).toBe(409);
    expect(made()).toHaveLength(0);
  });

  test('while the admin has turned it off', async () => {
    gallery.settings = { ...SETTINGS, creation: false };
    expect((await gallery.app.inject({ url: '/new' })).statusCode).toBe(403);
    expect((await create(TYPED, 'x'.repeat(22))).statusCode).toBe(403);
    expect(made()).toHaveLength(0);
  });
});
