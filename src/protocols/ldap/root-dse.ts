// The root DSE (RFC 4512 §5.1): what a server says of itself, before Bind too. Before Bind Postern answers itself, with what it has
// learnt of the directory (learnt-root-dse.ts), so that strangers never reach it; after Bind the directory's own answer passes. From both
// is taken what Postern does not offer or pass on.

import { NOT_PASSED } from './controls.ts';
import { matches } from './matching.ts';
import type { Search } from './requests.ts';
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

/** The answer before Bind: an entry, if the filter finds it, and the end of the search. `learnt`: of the directory, as it told it. */
export function localRootDse(
  messageId: number,
  search: Search,
  offer: Offer,
  learnt: readonly Attribute[],
): Buffer {
  const done = encodeResult(messageId, OP.searchResultDone, RESULT.success);
  const entry = ownRootDse(offer, learnt);
  if (!matches(search.filter, entry)) return done;
  const attributes = entry
    .filter(({ type }) => isWanted(type, search.attributes))
    .map(({ type, values }) => ({ type, values: search.typesOnly ? [] : values }));
  return Buffer.concat([encodeMessage(messageId, encodeEntry({ dn: '', attributes })), done]);
}

function ownRootDse(offer: Offer, learnt: readonly Attribute[]): Attribute[] {
  const theirs = new Map(
    corrected({ dn: '', attributes: learnt }, offer).attributes.map(({ type, values }) => [
      type.toLowerCase(),
      { type, values },
    ]),
  );
  const own: [string, readonly string[]][] = [
    ['objectClass', ['top']],
    ['supportedLDAPVersion', ['3']],
    ['supportedSASLMechanisms', offer.saslMechanisms],
    ['supportedExtension', extensions(offer)],
    ['vendorName', ['Postern']],
  ];
  const entry: Attribute[] = [];
  for (const [type, texts] of own) {
    const values: Buffer[] = texts.map((text) => Buffer.from(text));
    // Extensions alone are said by both.
    const more = type === 'supportedExtension' ? (theirs.get(type.toLowerCase())?.values ?? []) : [];
    values.push(...more.filter((value) => !values.some((one) => one.equals(value))));
    if (values.length > 0) entry.push({ type, values });
    theirs.delete(type.toLowerCase());
  }
  return [...entry, ...theirs.values()];
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
    // Other servers know no app passwords, and are past Postern.
    if (type.toLowerCase() === 'altserver') continue;
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

/** RFC 4511 §4.5.1.8, and generous: all of it is given to those who ask for all of one kind. */
function isWanted(type: string, attributes: readonly string[]): boolean {
  if (attributes.length === 0) return true;
  return attributes.some((name) => name === '*' || name === '+' || name.toLowerCase() === type.toLowerCase());
}
