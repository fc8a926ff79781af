// A user as an admin types it on the command line.

import { UsageError } from '../lib/errors.ts';
import { parseUser, type User } from '../lib/user.ts';
import { quoted } from './output.ts';

/** The user that `text` names, the default domain appended if it has none. Throws UsageError that says why not. */
export function readUser(text: string, defaultDomain: string | null): User {
  const shown = quoted(text);
  if (text === '') throw new UsageError('the user is empty: it would be name@domain');
  if (!text.includes('@') && defaultDomain === null) {
    throw new UsageError(`user ${shown} has no domain, and the config has no users.defaultDomain to append`);
  }
  const user = parseUser(text.includes('@') ? text : `${text}@${defaultDomain}`);
  if (user === undefined) {
    throw new UsageError(
      `${shown} is not a user: it would be name@domain, without white space, control characters, ` +
        'any of * \\ / % , = ", or characters that stand for others',
    );
  }
  return user;
}

/** Users that a command is about: one, or all of a domain. */
export interface Users {
  /** Undefined: all of the domain. */
  readonly user?: User;
  readonly domain?: string;
  has(user: User): boolean;
}

/** What `--user` names where several can be meant: a user as `readUser` reads it, or `*@domain`. Throws UsageError. */
export function readUsers(text: string, defaultDomain: string | null): Users {
  if (!text.startsWith('*@')) {
    const user = readUser(text, defaultDomain);
    return { user, has: (one) => one === user };
  }
  const domain = parseUser(`x${text.slice(1)}`)?.slice(2);
  if (domain === undefined) {
    throw new UsageError(`${quoted(text)} is not a domain's users: it would be *@example.com`);
  }
  return { domain, has: (one) => one.endsWith(`@${domain}`) };
}
