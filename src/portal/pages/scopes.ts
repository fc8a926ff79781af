// What an app password is good for, as people say it: mail, the address book, everything. Which of these there are follows from
// the protocols that the configuration allows.

import { PROTOCOLS, type Protocol } from '../../lib/protocol.ts';
import { en } from '../texts.ts';

export interface Use {
  /** As the form sends it. */
  readonly key: 'mail' | 'address-book' | 'everything';
  readonly title: string;
  readonly text: string;
  /** As a record has it. Everything is what there is now, never what there will be. */
  readonly scope: readonly Protocol[];
}

const MAIL: readonly Protocol[] = ['imap', 'smtp', 'pop3'];

/** The uses that may be chosen, none where nothing is allowed; the one that most people want comes first. */
export function usesFor(allowed: readonly Protocol[]): Use[] {
  const mail = MAIL.filter((protocol) => allowed.includes(protocol));
  const uses: Use[] = [];
  if (mail.length > 0) uses.push({ key: 'mail', ...mailText(mail), scope: mail });
  if (allowed.includes('ldap')) {
    uses.push({ key: 'address-book', ...en.create.uses.addressBook, scope: ['ldap'] });
  }
  if (uses.length < 2) return uses;
  return [...uses, { key: 'everything', ...en.create.uses.everything, scope: [...allowed] }];
}

function mailText(mail: readonly Protocol[]) {
  const { mail: both, mailReadOnly, mailSendOnly } = en.create.uses;
  if (!mail.includes('smtp')) return mailReadOnly;
  return mail.length === 1 ? mailSendOnly : both;
}

/** The word for a record's scope, and the names of its protocols: of those that can be used, if any of them can. */
export function scopeInWords(
  scope: readonly Protocol[] | null,
  usable: readonly Protocol[],
): { title: string; protocols: string } {
  const { mail, addressBook, everything } = en.create.uses;
  const all = PROTOCOLS.filter((protocol) => scope === null || scope.includes(protocol));
  const now = all.filter((protocol) => usable.includes(protocol));
  const protocols = now.length > 0 ? now : all;
  const hasMail = protocols.some((protocol) => MAIL.includes(protocol));
  const title = !hasMail ? addressBook.title : protocols.includes('ldap') ? everything.title : mail.title;
  return { title, protocols: protocols.map((protocol) => en.protocols[protocol]).join(', ') };
}
