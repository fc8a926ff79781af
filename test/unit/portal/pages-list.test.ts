// What the portal's pages say, asked without a browser.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { User } from '../../../src/lib/user.ts';
import { type Gallery, NOW, record, startGallery } from '../../browser/gallery.ts';
import { posted, textOf } from './pages-request.ts';

const DAY = 86_400_000;
let gallery: Gallery;
beforeEach(async () => {
  gallery = await startGallery({ listen: false });
});
afterEach(() => gallery[Symbol.asyncDispose]());

const get = (url: string, headers = {}) => gallery.app.inject({ url, headers });

describe('the list', () => {
  test('says of each app password when, from where, by what it was last used, and how many there are', async () => {
    const page = await get('/');
    const text = textOf(page.body);
    expect(text).toContain('4 of 40');
    expect(text).toContain('4 minutes ago Thunderbird 128 over IMAP, from 192.0.2.17');
    expect(text).toContain('In use now');
    expect(text).toContain('Not used for 90 days');
    expect(text).toContain('Never used');
    expect(text).toContain('in 12 days');
    expect(page.body).toContain(`<time datetime="${new Date(NOW - 214 * DAY).toISOString()}"`);
  });

  test.each(['/', '/new'])(
    '%s sends nobody elsewhere first, unless the admin says that it works',
    async (path) => {
      expect(textOf((await get(path)).body)).not.toMatch(/Outlook 2013|second step\. Try/);
      gallery.settings = { ...gallery.settings, twoStepClients: true };
      expect(textOf((await get(path)).body)).toContain('Outlook 2013 and newer');
    },
  );

  test('tells of a device that still tries a deleted one, and of no other deleted one', async () => {
    gallery.records.push(record('ap_silent222222', 'Silent one', { revokedAt: NOW - DAY }));
    const text = textOf((await get('/')).body);
    expect(text).toContain('A device still uses the deleted password Old phone, last 12 minutes ago');
    expect(text).not.toContain('Silent one');
  });

  test('a refusal from before the deletion is no news', async () => {
    gallery.records = [
      record('ap_quiet2222222', 'Quiet one', {
        revokedAt: NOW - DAY,
        lastRefused: { at: NOW - 2 * DAY, from: '192.0.2.1', protocol: 'imap', client: null },
      }),
    ];
    expect(textOf((await get('/')).body)).not.toContain('Quiet one');
  });

  test('names with markup and quotation marks are text', async () => {
    gallery.records = [record('ap_markup222222', `<img src=x onerror="alert(1)">'&amp;`)];
    const { body } = await get('/');
    expect(body).not.toContain('<img src=x');
    expect(textOf(body)).toContain(`<img src=x onerror="alert(1)">'&amp;`);
  });

  test('each name and what a client says of itself stands in an isolate of its own', async () => {
    gallery.records = [
      record('ap_hebrew222222', 'מחשב נייד', {
        lastUsed: { at: NOW - DAY, from: '192.0.2.1', protocol: 'imap', client: 'דואר 1.0' },
      }),
    ];
    const { body } = await get('/');
    expect(body.split('מחשב נייד').length - 1).toBe(body.split('<bdi>מחשב נייד</bdi>').length - 1);
    expect(body).toContain('<bdi>דואר 1.0</bdi>');
  });

  test('says what was just done by the record, and nothing that a link brings along', async () => {
    const said = async (query: string) =>
      /class="flash"[^>]*>(.*?)<\/p>/s.exec((await get(`/?${query}`)).body)?.[1];
    expect(textOf((await said('done=deleted&id=ap_phone2222222')) ?? '')).toContain('Deleted: Old phone');
    expect(await said('done=deleted&id=ap_laptop222222')).toBeUndefined();
    expect(await said('done=<b>x</b>&id=ap_laptop222222')).toBeUndefined();
    expect(await said('done=constructor&id=ap_laptop222222')).toBeUndefined();
    expect(await said('done=renamed&done=deleted&id=ap_phone2222222')).toBeUndefined();
  });

  test('at the limit it asks to delete one first and offers no new one', async () => {
    gallery.settings = { ...gallery.settings, maxPerUser: 4 };
    const { body } = await get('/');
    expect(textOf(body)).toContain('first delete one that you do not need any more');
    expect(body).not.toContain('href="/new"');
  });

  test('with creation off it still lists and deletes', async () => {
    gallery.settings = { ...gallery.settings, creation: false };
    const { body } = await get('/');
    expect(body).not.toContain('href="/new"');
    expect(body).toContain('/passwords/ap_laptop222222/delete');
  });

  test.each([
    ['de-DE,de;q=0.9', '24.04.2026'],
    ['en-US', 'Apr 24, 2026'],
    ['x'.repeat(5000), '24 Apr 2026'],
    ['*;q=<script>', '24 Apr 2026'],
    ['xx-yyyyyyyy-zz-aa', '24 Apr 2026'],
  ])('dates are in the first language that the browser asks for: %.20s', async (language, date) => {
    expect(textOf((await get('/', { 'accept-language': language })).body)).toContain(`Made ${date}`);
  });
});

describe('what is not one’s own does not exist', () => {
  const others = () => record('ap_bobs22222222', 'Bob’s phone', { user: 'bob@example.com' as User });

  test.each(['delete', 'rename'])('%s', async (what) => {
    gallery.records.push(others());
    expect((await get(`/passwords/ap_bobs22222222/${what}`)).statusCode).toBe(404);
    const answer = await posted(gallery, `/passwords/ap_bobs22222222/${what}`, { name: 'Mine now' });
    expect(answer.statusCode).toBe(404);
    expect(gallery.records.at(-1)).toMatchObject({ name: 'Bob’s phone', revokedAt: null });
    expect(gallery.said).toEqual([]);
  });

  test.each(['ap_unknown22222', '__proto__', '%00', '..%2f..%2fadmin', 'a'.repeat(90)])(
    'the id %s',
    async (id) => {
      expect((await get(`/passwords/${id}/delete`)).statusCode).toBe(404);
    },
  );

  test('nor does what the list says of it', async () => {
    gallery.records.push(others());
    expect((await get('/?done=renamed&id=ap_bobs22222222')).body).not.toContain('Bob');
  });

  test('the admin’s pages, for who is none', async () => {
    for (const path of ['/admin', '/admin/trail', '/admin/person?user=bob@example.com']) {
      expect((await get(path)).statusCode, path).toBe(404);
    }
    const answer = await posted(gallery, '/admin/person/disable', { user: 'bob@example.com' });
    expect(answer.statusCode).toBe(404);
    expect(gallery.said).toEqual([]);
  });
});

describe('changes', () => {
  test('a deletion is recorded and mailed once, however often it is sent', async () => {
    const first = await posted(gallery, '/passwords/ap_laptop222222/delete');
    const second = await posted(gallery, '/passwords/ap_laptop222222/delete');
    for (const answer of [first, second]) {
      expect([answer.statusCode, answer.headers.location]).toEqual([
        303,
        '/?done=deleted&id=ap_laptop222222',
      ]);
    }
    expect(gallery.said).toEqual([
      'audit alice@example.com deleted alice@example.com Dad’s laptop',
      'mail deleted Dad’s laptop',
    ]);
  });

  test('all are deleted, and one mail names them', async () => {
    expect((await get('/delete-all')).body).toContain('Delete all 4 app passwords?');
    await posted(gallery, '/delete-all');
    expect(gallery.records.every(({ revokedAt }) => revokedAt !== null)).toBe(true);
    expect(gallery.said).toEqual([
      'audit alice@example.com deleted_all alice@example.com 4',
      'mail deleted Dad’s laptop, Scanner, 2nd floor, Outlook 2010 at the office, Old tablet',
    ]);
    expect((await get('/delete-all')).statusCode).toBe(303);
  });

  test('a rename says what it was; to a name that is taken it keeps what was typed', async () => {
    const taken = await posted(gallery, '/passwords/ap_laptop222222/rename', { name: 'Old tablet' });
    expect(taken.statusCode).toBe(422);
    expect(taken.body).toContain('value="Old tablet"');
    expect(textOf(taken.body)).toContain('You have an app password of this name already');
    const done = await posted(gallery, '/passwords/ap_laptop222222/rename', { name: 'Mum’s laptop' });
    expect(done.headers.location).toBe('/?done=renamed&id=ap_laptop222222');
    expect(gallery.said).toEqual(['audit alice@example.com renamed alice@example.com Mum’s laptop']);
  });

  test('nobody fills the audit trail by renaming to and fro', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 100; n++) {
      statuses.push(
        (await posted(gallery, '/passwords/ap_laptop222222/rename', { name: `Laptop ${n}` })).statusCode,
      );
    }
    expect(statuses).toEqual([...Array(60).fill(303), ...Array(40).fill(429)]);
    expect(gallery.said).toHaveLength(60);
    const refused = await posted(gallery, '/passwords/ap_laptop222222/rename', { name: 'Mum’s laptop' });
    expect(textOf(refused.body)).toContain('Wait a while and try again');
    expect(refused.body).toContain('value="Mum’s laptop"');
  });

  test('without a fresh sign-in nothing is deleted, and one comes back to the question', async () => {
    gallery.isFresh = false;
    const answer = await posted(gallery, '/passwords/ap_laptop222222/delete');
    expect(answer.headers['x-return-to']).toBe('/passwords/ap_laptop222222/delete');
    expect((await posted(gallery, '/delete-all')).headers['x-return-to']).toBe('/delete-all');
    expect(gallery.records.filter(({ revokedAt }) => revokedAt === null)).toHaveLength(4);
    expect(gallery.said).toEqual([]);
  });
});

describe('the admin', () => {
  beforeEach(() => {
    gallery.isAdmin = true;
  });

  test('finds people, and whom the search does not know', async () => {
    const { body } = await get('/admin?q=example');
    expect(body).toContain('/admin/person?user=bob%40example.com');
    expect((await get('/admin?q=dora@example.com')).body).toContain('/admin/person?user=dora%40example.com');
    expect((await get('/admin?q=<script>alert(1)</script>')).body).not.toContain('<script>alert');
  });

  test.each([
    [
      'delete',
      { id: 'ap_laptop222222' },
      'deleted',
      'audit alice@example.com deleted alice@example.com Dad’s laptop',
    ],
    ['delete-all', {}, 'deletedAll', 'audit alice@example.com deleted_all alice@example.com 4'],
    ['disable', {}, 'disabled', 'audit alice@example.com disabled alice@example.com'],
    ['enable', {}, 'enabled', 'audit alice@example.com enabled alice@example.com'],
    [
      'end-sessions',
      {},
      'ended',
      'audit alice@example.com sessions_ended alice@example.com 1 connections, 1 sign-ins',
    ],
  ])('%s: asks, does it, records it', async (action, more, done, said) => {
    const query = new URLSearchParams({ user: 'alice@example.com', ...more });
    expect((await get(`/admin/person/${action}?${query}`)).statusCode).toBe(200);
    const answer = await posted(gallery, `/admin/person/${action}`, { user: 'alice@example.com', ...more });
    expect(answer.headers.location).toBe(`/admin/person?user=alice%40example.com&done=${done}`);
    expect(gallery.said[0]).toBe(said);
    gallery.isFresh = false;
    const stale = await posted(gallery, `/admin/person/${action}`, { user: 'alice@example.com', ...more });
    // The app password that is deleted is not there to be asked about any more.
    if (action !== 'delete') expect(stale.headers['x-return-to']).toBe(`/admin/person/${action}?${query}`);
    expect(gallery.said.filter((one) => one.startsWith('audit'))).toHaveLength(1);
  });

  test('an app password is deleted only of the person whose it is', async () => {
    const answer = await posted(gallery, '/admin/person/delete', {
      user: 'bob@example.com',
      id: 'ap_laptop222222',
    });
    expect(answer.statusCode).toBe(404);
    expect(gallery.said).toEqual([]);
  });

  test.each(['', 'nobody', 'a@b@c', '__proto__', 'alice@example.com\u202e'])(
    'no person is %j',
    async (user) => {
      const query = new URLSearchParams({ user });
      expect((await get(`/admin/person?${query}`)).statusCode).toBe(404);
      expect((await posted(gallery, '/admin/person/disable', { user })).statusCode).toBe(404);
    },
  );
});
