// Where a browser may be sent after a sign-in: a page of the portal, and nowhere else.

const PATH = /^\/(?:[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*\/?)?(?:\?[A-Za-z0-9_=&.%+*~!'()-]*)?$/;
/** A form's page with a device's name in it: 64 characters of which each may take 12 in a query. */
const LONGEST = 1_000;

/** The path; `/` for anything that is no path of plain words (no `//`, no dots, no backslash, no scheme) or is the sign-in's own. */
export function returnPath(wanted: unknown): string {
  if (typeof wanted !== 'string' || wanted.length > LONGEST || !PATH.test(wanted)) return '/';
  return /^\/(sign-in|sign-out|signed-out|static)([/?]|$)/.test(wanted) ? '/' : wanted;
}
