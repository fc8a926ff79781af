// An upstream that ends the connection once it has Postern's credentials. Mostly that is about the one user: Dovecot closes without a word
// if its userdb does not know who has logged in (measured, 2.3). So it has a reason of its own, and says nothing about the address: the
// next user may log in there.

import type { Secret } from '../lib/secret.ts';
import { UpstreamLoginError } from './admission.ts';

/** Characters of them; a line of the log has 200 for all of it. */
const MOST_WORDS = 60;

/** `words`: what it said last (BYE, 421, a notice), untrusted; left out if the password that it was sent (null: none) is in them. */
export function upstreamClosed(words: string, password: Secret | null): UpstreamLoginError {
  const said =
    words === '' || (password !== null && repeats(words, password))
      ? ''
      : `: "${words.slice(0, MOST_WORDS)}"`;
  return new UpstreamLoginError(
    'upstream_closed',
    `it ended the connection once it had the credentials${said}; its log says why: does it know the user (Dovecot: userdb)?`,
  );
}

/** In clear, or in base64 such as PLAIN has. */
function repeats(words: string, password: Secret): boolean {
  const secret = password.reveal();
  if (words.includes(secret)) return true;
  const encoded = words.match(/[A-Za-z0-9+/]{8,}/g) ?? [];
  return encoded.some((run) =>
    [0, 1, 2, 3].some((at) => Buffer.from(run.slice(at), 'base64').includes(secret)),
  );
}
