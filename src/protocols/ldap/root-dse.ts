// The root DSE (RFC 4512 §5.1): what a server says of itself, before Bind too. Before Bind Postern answers itself, so that strangers
// never reach the directory; after it the directory's own answer passes, without what Postern does not offer or pass on.

import { NOT_PASSED } from './controls.ts';
import { presentFilter, type Search } from './requests.ts';
import { type Attribute, type Entry, encodeEntry, encodeResult, readEntry } from './responses.ts';
import { type Envelope, encodeMessage, OID, OP, RESULT, rebuild } from './wire.ts';

/** What a client may use now. */
export interface Offer {
  readonly startTls: boolean;
  readonly saslMechanisms: readonly string[];
  readonly passwordModify: boolean;
}

/** Whether it asks for the root DSE: the empty name, the base alone. */
export function isRootDse({ base, scope }: Search): boolean {
  return base.length === 0 && scope === 0;
}

/** The answer before Bind: an entry, and the end of the search. */
export function localRootDse(messageId: number, search: Search, offer: Offer): Buffer {
  const done = encodeResult(messageId, OP.searchResultDone, RESULT.success);
  // The one filter that clients ask with; nothing is known here that another could be tried on.
  if (!/^objectclass$/i.test(presentAttribute(search.filter) ?? '')) return done;
  const all: [string, readonly string[]][] = [
    ['objectClass', ['top']],
    ['supportedLDAPVersion', ['3']],
    ['supportedSASLMechanisms', offer.saslMechanisms],
    ['supportedExtension', extensions(offer)],
    ['vendorName', ['Postern']],
  ];
  const attributes = all
    .filter(([type, values]) => values.length > 0 && isWanted(type, search.attributes))
    .map(([type, values]) => ({ type, values: search.typesOnly ? [] : values.map((v) => Buffer.from(v)) }));
  return Buffer.concat([encodeMessage(messageId, encodeEntry({ dn: '', attributes })), done]);
}

/** The directory's answer, corrected; undefined: it is not well-formed. */
export function correctRootDse(envelope: Envelope, offer: Offer): Buffer | undefined {
  const entry = readEntry(envelope);
  if (entry === undefined) return undefined;
  return rebuild(envelope, { op: encodeEntry(corrected(entry, offer)) });
}

function corrected({ dn, attributes }: Entry, offer: Offer): Entry {
  const kept: Attribute[] = [];
  for (const { type, values } of attributes) {
    const may = CORRECTIONS.get(type.toLowerCase());
    const left = may === undefined ? values : values.filter((value) => may(value.toString('latin1'), offer));
    // With typesOnly there are no values to begin with.
    if (left.length > 0 || values.length === 0) kept.push({ type, values: left });
  }
  return { dn, attributes: kept };
}

type May = (value: string, offer: Offer) => boolean;

const CORRECTIONS: ReadonlyMap<string, May> = new Map<string, May>([
  ['supportedldapversion', (value) => value === '3'],
  ['supportedsaslmechanisms', (value, { saslMechanisms }) => saslMechanisms.includes(value.toUpperCase())],
  ['supportedextension', (value, offer) => value === OID.cancel || extensions(offer).includes(value)],
  ['supportedcontrol', (value) => !NOT_PASSED.has(value)],
]);

/** What Postern answers itself, or passes on if the directory knows it. */
function extensions({ startTls, passwordModify }: Offer): string[] {
  return [OID.whoAmI, ...(startTls ? [OID.startTls] : []), ...(passwordModify ? [OID.passwordModify] : [])];
}

/** The attribute of `(attribute=*)`; undefined for any other filter. */
function presentAttribute(filter: Buffer): string | undefined {
  const attribute = filter.subarray(2).toString('latin1');
  return presentFilter(attribute).equals(filter) ? attribute : undefined;
}

/** RFC 4511 §4.5.1.8, and generous: all of it is given to those who ask for all of one kind. */
function isWanted(type: string, attributes: readonly string[]): boolean {
  if (attributes.length === 0) return true;
  return attributes.some((name) => name === '*' || name === '+' || name.toLowerCase() === type.toLowerCase());
}
