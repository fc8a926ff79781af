// `ldap`: what holds for all LDAP listeners.

import { listOf, section } from '../shapes.ts';
import { flag, integer, text } from '../values.ts';

/** A name by which Postern answers itself, or that leads past it, is not asked for. */
const OWN = ['objectclass', 'supportedldapversion', 'supportedsaslmechanisms', 'vendorname', 'altserver'];

function attribute() {
  const error =
    'must be the name of an attribute, such as namingContexts, and none of those that Postern says itself';
  return text(error, (written) =>
    /^[A-Za-z][A-Za-z0-9-]{0,62}$/.test(written) && !OWN.includes(written.toLowerCase())
      ? written
      : undefined,
  ).meta({ title: 'attribute' });
}

export const ldapSchema = section({
  /**
   * Whether a Bind with neither name nor password succeeds, which most tools send first. It is no login, and gives no right
   * that there is not before Bind: to read the root DSE. `false` is for applications that take any success for a login.
   */
  anonymousBind: flag().prefault(true),
  /**
   * What anyone may read before Bind of what the directory says of itself, as names of attributes of its root DSE; Postern
   * asks for them as its own account. With `[]` strangers hear of Postern alone.
   */
  rootDse: listOf(attribute()).prefault([
    'namingContexts',
    'defaultNamingContext',
    'subschemaSubentry',
    'supportedControl',
    'supportedExtension',
    'supportedFeatures',
    'supportedCapabilities',
  ]),
  /**
   * The longest message that a client may send once it is bound, such as an entry with a photo. Before that it is 64
   * KiB.
   */
  maxMessageKiB: integer(64, 1_048_576).prefault(16_384),
}).prefault({});
