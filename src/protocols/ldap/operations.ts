// Requests other than Bind, StartTLS and Unbind: what is passed on, with what, and what is answered here.

import { NOT_PASSED } from './controls.ts';
import type { Dialogue } from './dialogue.ts';
import type { Pending, Relay } from './relay.ts';
import { encodeReply, RESPONSE_TO, type Reply } from './replies.ts';
import {
  type Extended,
  passwordModifyNamesUser,
  readAbandon,
  readSearch,
  type Search,
  withLimits,
} from './requests.ts';
import { encodeResult } from './responses.ts';
import { isRootDse, localRootDse, type Offer } from './root-dse.ts';
import type { DirectoryOperation } from './upstream.ts';
import { isInRange, isWellFormed } from './well-formed.ts';
import { type Envelope, OID, OP, RESULT, readControls, readEnvelope, rebuild, withControls } from './wire.ts';

const OPERATION_OF: ReadonlyMap<number, DirectoryOperation> = new Map([
  [OP.searchRequest, 'search'],
  [OP.compareRequest, 'compare'],
  [OP.addRequest, 'add'],
  [OP.delRequest, 'delete'],
  [OP.modifyRequest, 'modify'],
  [OP.modifyDnRequest, 'modifyDn'],
]);

/** What may be asked for now. */
export function offerTo({ connection }: Dialogue, passwordModify = false): Offer {
  return {
    startTls: connection.tls === null && connection.tlsMode === 'starttls',
    saslMechanisms: connection.mayLogIn ? ['PLAIN'] : [],
    passwordModify,
  };
}

/** Answers a request (not a Bind, Abandon or Unbind) with something else than success. */
export function refuse(dialogue: Dialogue, { messageId, op }: Envelope, reply: Reply): void {
  dialogue.write(encodeReply(messageId, RESPONSE_TO.get(op.tag) ?? OP.extendedResponse, reply));
}

/** Search, Compare and the writes. */
export function operation(dialogue: Dialogue, envelope: Envelope): void {
  const { bound } = dialogue;
  if (bound === undefined) {
    beforeBind(dialogue, envelope);
    return;
  }
  const kind = OPERATION_OF.get(envelope.op.tag);
  if (kind === undefined || !bound.policy.operations.has(kind)) {
    refuse(dialogue, envelope, 'notAllowed');
    return;
  }
  const passed = acceptable(dialogue, envelope);
  if (passed === undefined) return;
  if (kind !== 'search') {
    if (!isWellFormed(passed)) dialogue.goodbye('malformed', 'client_error');
    else if (!isInRange(passed)) refuse(dialogue, envelope, 'outOfRange');
    else passOn(dialogue, bound, passed, 'answer');
    return;
  }
  const { maxEntries, maxSeconds } = bound.policy;
  const search = readSearch(passed);
  if (search === undefined) {
    dialogue.goodbye('malformed', 'client_error');
    return;
  }
  if (!search.isInRange) {
    refuse(dialogue, envelope, 'outOfRange');
    return;
  }
  const size = atMost(search.sizeLimit, maxEntries);
  const time = atMost(search.timeLimit, maxSeconds);
  const isWithin = size === search.sizeLimit && time === search.timeLimit;
  const lowered = isWithin ? passed : readEnvelope(withLimits(passed, search, size, time));
  if (lowered !== undefined) passOn(dialogue, bound, lowered, isRootDse(search) ? 'root DSE' : 'answer');
}

/** 0 is no limit, on both sides. */
function atMost(asked: number, most: number | null): number {
  if (most === null) return asked;
  return asked === 0 ? most : Math.min(asked, most);
}

/** Only the root DSE may be read. */
function beforeBind(dialogue: Dialogue, envelope: Envelope): void {
  const { messageId, op } = envelope;
  let search: Search | undefined;
  if (op.tag === OP.searchRequest) {
    search = readSearch(envelope);
    if (search === undefined) {
      dialogue.goodbye('malformed', 'client_error');
      return;
    }
  }
  if (search?.isInRange === false) {
    refuse(dialogue, envelope, 'outOfRange');
    return;
  }
  if (search === undefined || !isRootDse(search)) {
    refuse(dialogue, envelope, dialogue.connection.mayLogIn ? 'bindFirst' : 'tlsFirst');
    return;
  }
  if (isAnswerable(dialogue, envelope)) {
    const { rootDse } = dialogue.deps;
    dialogue.write(localRootDse(messageId, search, offerTo(dialogue), rootDse.attributes()));
  }
}

/** Whether Postern itself may answer, which knows no control (RFC 4511 §4.1.11). If not, the client has its answer. */
export function isAnswerable(dialogue: Dialogue, envelope: Envelope): boolean {
  const controls = readControls(envelope);
  if (controls === undefined) dialogue.goodbye('malformed', 'client_error');
  else if (controls.some(({ critical }) => critical)) refuse(dialogue, envelope, 'criticalControl');
  else return true;
  return false;
}

/** Cancel (RFC 3909), Who am I (RFC 4532), Password Modify (RFC 3062). */
export function extended(dialogue: Dialogue, envelope: Envelope, { oid, value }: Extended): void {
  const { bound } = dialogue;
  switch (oid) {
    case OID.whoAmI:
      whoAmI(dialogue, envelope);
      return;
    case OID.cancel:
      // It reaches the client's own operations alone, as Abandon does; and slapd takes no proxied authorization with it (measured, 2.5).
      if (bound === undefined) refuse(dialogue, envelope, 'bindFirst');
      else passIfAcceptable(dialogue, bound, envelope, null);
      return;
    case OID.passwordModify:
      if (bound === undefined) refuse(dialogue, envelope, 'bindFirst');
      else if (!bound.policy.operations.has('passwordModify')) refuse(dialogue, envelope, 'notAllowed');
      // Without a name it is about whoever is bound: that must not be Postern's own account.
      else if (!bound.isProxied && passwordModifyNamesUser(value) !== true)
        refuse(dialogue, envelope, 'notOnBehalf');
      else passIfAcceptable(dialogue, bound, envelope);
      return;
    default:
      refuse(dialogue, envelope, 'unknownExtension');
  }
}

/** Answered for the user: the directory would name Postern's account. An anonymous client's name is empty. */
function whoAmI(dialogue: Dialogue, envelope: Envelope): void {
  if (!isAnswerable(dialogue, envelope)) return;
  const value = dialogue.bound?.authorizationId ?? '';
  dialogue.write(encodeResult(envelope.messageId, OP.extendedResponse, RESULT.success, { value }));
}

/** RFC 4511 §4.11: it has no answer, whatever comes of it. */
export function abandon(dialogue: Dialogue, envelope: Envelope): void {
  const target = readAbandon(envelope);
  if (target === undefined) {
    dialogue.goodbye('malformed', 'client_error');
    return;
  }
  // Without its controls, of which none can be answered.
  if (dialogue.bound?.abandon(target)) dialogue.bound.send(rebuild(envelope, { controls: [] }));
}

function passIfAcceptable(
  dialogue: Dialogue,
  bound: Relay,
  envelope: Envelope,
  controls = bound.controls,
): void {
  const passed = acceptable(dialogue, envelope);
  if (passed !== undefined) passOn(dialogue, bound, passed, 'answer', controls);
}

/**
 * The request without the controls that are not passed on (controls.ts). Whoever calls one critical is refused; then, and if the
 * controls are not well-formed, the client has its answer and nothing is given.
 */
function acceptable(dialogue: Dialogue, envelope: Envelope): Envelope | undefined {
  if (envelope.controls === undefined) return envelope;
  const controls = readControls(envelope);
  if (controls === undefined) {
    dialogue.goodbye('malformed', 'client_error');
    return undefined;
  }
  const kept = controls.filter(({ oid }) => !NOT_PASSED.has(oid));
  if (kept.length === controls.length) return envelope;
  if (controls.some((control) => control.critical && !kept.includes(control))) {
    refuse(dialogue, envelope, 'notPassedOn');
    return undefined;
  }
  return readEnvelope(rebuild(envelope, { controls: kept.map(({ encoded }) => encoded) }));
}

function passOn(
  dialogue: Dialogue,
  bound: Relay,
  envelope: Envelope,
  pending: Pending,
  controls = bound.controls,
): void {
  const { messageId, bytes } = envelope;
  if (bound.isFull) refuse(dialogue, envelope, 'tooMany');
  else bound.request(messageId, controls === null ? bytes : withControls(envelope, controls), pending);
}
