// Which upstream serves whom.

import { expect, test } from 'vitest';
import { routeFor } from '../../../src/gate/routes.ts';
import type { User } from '../../../src/lib/user.ts';

const ROUTES = [
  { users: 'root@example.com' },
  { users: 'alice@example.com', imap: 'new' },
  { users: '*@example.com', imap: 'dovecot', smtp: 'postfix' },
  { users: '*@example.org', smtp: 'postfix' },
  { users: '*', imap: 'rest' },
];
const imap = (user: string) => routeFor(ROUTES, user as User, 'imap')?.upstream;

test('the first route that matches is the one', () => {
  expect(imap('alice@example.com')).toBe('new');
  expect(imap('bob@example.com')).toBe('dovecot');
  expect(imap('bob@elsewhere.example')).toBe('rest');
  expect(routeFor(ROUTES, 'bob@elsewhere.example' as User, 'imap')?.route).toBe(ROUTES.length - 1);
});

test('one that matches and has no upstream for the protocol ends the search', () => {
  expect(imap('root@example.com')).toBeUndefined();
  expect(imap('bob@example.org')).toBeUndefined();
  expect(routeFor(ROUTES, 'alice@example.com' as User, 'smtp')).toBeUndefined();
});

test('a domain is a whole domain', () => {
  expect(imap('bob@mail.example.com')).toBe('rest');
  expect(imap('bob@notexample.com')).toBe('rest');
  expect(imap('example.com@elsewhere.example')).toBe('rest');
  expect(imap('xalice@example.com')).toBe('dovecot');
});

test('without routes nobody has one', () => {
  expect(routeFor([], 'alice@example.com' as User, 'imap')).toBeUndefined();
  expect(
    routeFor([{ users: '*@example.org', imap: 'x' }], 'alice@example.com' as User, 'imap'),
  ).toBeUndefined();
});
