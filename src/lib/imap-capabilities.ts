// The IMAP capabilities that may be offered to whom nobody knows yet. Each names what a client may do once it is logged in. Nothing is
// here that changes how to log in, who one is, or how what follows is to be read: AUTH=…, LOGINDISABLED, LOGIN-REFERRALS, STARTTLS,
// LITERAL+, COMPRESS=…, UNAUTHENTICATE, X-….

/** In the order in which they are offered. `THREAD=*` stands for every algorithm (RFC 5256). */
export const OFFERABLE_CAPABILITIES: readonly string[] = [
  'IDLE',
  'ENABLE',
  'NAMESPACE',
  'UNSELECT',
  'CHILDREN',
  'UIDPLUS',
  'MOVE',
  'SPECIAL-USE',
  'LIST-EXTENDED',
  'LIST-STATUS',
  'ESEARCH',
  'SORT',
  'THREAD=*',
  'CONDSTORE',
  'QRESYNC',
  'WITHIN',
  'QUOTA',
  'BINARY',
];

const ANY_THREAD = 'THREAD=*';
const THREAD = /^THREAD=[A-Z0-9-]{1,32}$/;

/** The place of a name, which is in upper case, in that order; -1: it is not offered. */
export function placeOfCapability(name: string): number {
  if (name === ANY_THREAD) return -1;
  return OFFERABLE_CAPABILITIES.indexOf(THREAD.test(name) ? ANY_THREAD : name);
}
