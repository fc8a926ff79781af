// "Set up a device": what to type where, long after the app password was shown.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { ALICE, type Gallery, SETTINGS, SHOWN, startGallery } from '../../browser/gallery.ts';
import { textOf } from './pages-request.ts';

let gallery: Gallery;
beforeEach(async () => {
  gallery = await startGallery({ listen: false });
});
afterEach(() => gallery[Symbol.asyncDispose]());

const get = async (url: string) => gallery.app.inject({ url });

test('the list leads to it, and it has the user, the servers, and where they go in each program', async () => {
  expect((await get('/')).body).toContain('href="/setup"');
  const { statusCode, body } = await get('/setup');
  expect(statusCode).toBe(200);
  const text = textOf(body);
  expect(text).toContain(`User name ${ALICE}`);
  expect(text).toContain('Password the app password of this device');
  expect(text).toContain('Outlook 2010 and older');
  expect(text).toContain('Incoming mail (IMAP) Server mail.example.com Port 993');
  expect(text).toContain('Directory (LDAP) Server mail.example.com Port 636');
  expect(text).toContain('shown only once');
});

test('it holds no secret, and asks for no fresh sign-in', async () => {
  gallery.isFresh = false;
  const { statusCode, body } = await get('/setup');
  expect(statusCode).toBe(200);
  expect(body).not.toContain(SHOWN);
  expect(body).not.toContain('data-secret');
});

test('it tells of what the user can use, and of nothing else', async () => {
  gallery.settings = { ...SETTINGS, usableBy: () => ['smtp'] };
  const text = textOf((await get('/setup')).body);
  expect(text).toContain('Scanner or printer that sends mail');
  for (const other of ['Thunderbird', 'IMAP', 'Directory (LDAP)']) expect(text).not.toContain(other);
});

test('where there is nothing, whom to ask', async () => {
  gallery.settings = { ...SETTINGS, usableBy: () => [] };
  expect(textOf((await get('/setup')).body)).toContain('Ask your administrator');
});

test('who has none yet is led to making one; where none can be made, nobody is', async () => {
  expect((await get('/setup')).body).toContain('href="/new"');
  gallery.settings = { ...SETTINGS, creation: false };
  expect((await get('/setup')).body).not.toContain('href="/new"');
});
