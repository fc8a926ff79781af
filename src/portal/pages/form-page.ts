// The page that a form was on, with what was typed in it: where somebody goes on who has to sign in again in the middle of it.

import { field, pathWith } from './form-fields.ts';

/** What somebody has typed and chosen for a new app password, as it came. */
export interface Typed {
  readonly name: string;
  readonly use: string;
  readonly expiry: string;
}

/** From a form or a query. */
export function typedIn(form: unknown): Typed {
  return { name: field(form, 'name'), use: field(form, 'use'), expiry: field(form, 'expiry') };
}

export function newPage({ name, use, expiry }: Typed): string {
  const query = Object.entries({ name, use, expiry }).filter(([, value]) => value !== '');
  return pathWith('/new', Object.fromEntries(query));
}

/** For a form that was sent to `path`, the page where it can be sent again; undefined: `path` takes no form of ours. */
export function formPage(path: string, body: unknown): string | undefined {
  if (path === '/new') return newPage(typedIn(body));
  if (!ASKED.test(path)) return undefined;
  const query = ['name', 'user', 'id'].map((name) => [name, field(body, name)] as const);
  return pathWith(path, Object.fromEntries(query.filter(([, value]) => value !== '')));
}

/** Their page is at the same address. */
const ASKED = /^\/(passwords\/\w+\/(delete|rename)|delete-all|admin\/person\/[a-z-]+)$/;
