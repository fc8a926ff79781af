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
