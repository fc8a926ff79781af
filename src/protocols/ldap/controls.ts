// Controls that a client's requests lose on their way to the directory. Postern is the one who knows who the client is and where it
// comes from, and it is bound with an account that may do more than the client: so nothing passes by which a client says for whom it
// asks, tells the directory's log or access control about itself, or writes who changed an entry and when.
//
// Whoever calls such a control critical is refused, since it will not be heeded (RFC 4511 §4.1.11); otherwise the request goes on
// without it. They are not in `supportedControl` either (root-dse.ts). All others pass: docs/ldap.md has the table, with the reasons.

import { BER, encode } from './ber.ts';
import { encodeControl, OID } from './wire.ts';

/** OID → what it is called; those that have no RFC in their server's words. */
export const NOT_PASSED: ReadonlyMap<string, string> = new Map([
  // As somebody else.
  [OID.proxiedAuthorization, 'Proxied Authorization (RFC 4370)'],
  [OID.proxiedAuthorizationV1, 'Proxied Authorization, version 1'],
  ['1.3.18.0.2.10.21', 'Group Authorization (IBM)'],
  ['1.3.18.0.2.10.15', 'Server Administration (IBM)'],
  ['1.3.6.1.4.1.42.2.27.9.5.2', 'Get Effective Rights (389, Oracle)'],
  ['1.2.840.113556.1.4.2255', 'Set Owner (Active Directory)'],
  ['1.2.840.113556.1.4.2256', 'Bypass Quota (Active Directory)'],
  ['1.2.840.113556.1.4.1341', 'RODC Promotion (Active Directory)'],
  // About itself.
  [OID.sessionTracking, 'Session Tracking (draft-wahl-ldap-session)'],
  ['1.3.18.0.2.10.22', 'Audit (IBM)'],
  ['1.3.6.1.4.1.30221.2.5.2', 'Intermediate Client (Ping)'],
  ['1.3.6.1.4.1.30221.2.5.11', 'Administrative Operation (Ping)'],
  ['1.3.6.1.4.1.30221.2.5.19', 'Operation Purpose (Ping)'],
  // Who changed it and when.
  ['1.3.6.1.4.1.4203.666.5.12', 'Relax Rules (OpenLDAP)'],
  ['1.3.6.1.4.1.30221.2.5.5', 'Ignore NO-USER-MODIFICATION (Ping)'],
  ['1.3.6.1.4.1.30221.2.5.28', 'Suppress Operational Attribute Update (Ping)'],
  ['1.3.6.1.4.1.30221.1.5.2', 'Replication Repair (Ping)'],
  ['1.3.6.1.4.1.26027.1.5.2', 'Replication Repair (OpenDJ)'],
  ['2.16.840.1.113730.3.4.13', 'Replication Update Information (389)'],
  // Of no use without an operation that Postern does not pass on, or answers itself.
  ['2.16.840.1.113730.3.4.16', 'Authorization Identity Request (RFC 3829)'],
  ['1.3.6.1.1.21.2', 'Transaction Specification (RFC 5805)'],
]);

/** sessionTrackingIdentifier is the name of a user (draft-wahl-ldap-session-03 §3). */
const FORMAT_USERNAME = `${OID.sessionTracking}.3`;

/**
 * Session tracking in Postern's own words, for the directory's log: where the client is ('' if that is not to be told), which session
 * of Postern's it is, who the user is. As slapd-ldap's `session-tracking-request`, the address is the client's and not Postern's,
 * which the directory sees anyway.
 */
export function encodeSessionTracking(client: string, sessionId: string, user: string): Buffer {
  const parts = [client, `postern/${sessionId}`, FORMAT_USERNAME, user];
  const value = encode(BER.sequence, ...parts.map((part) => encode(BER.octetString, part)));
  return encodeControl(OID.sessionTracking, false, value);
}
