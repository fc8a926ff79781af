// The LDAP server's side (RFC 4511, 4513): the state of one connection, from anonymous to bound and back, any number of times.
//
//   C: 01 search "" base                S: 01 the root DSE, our own                          root-dse.ts
//   C: 02 StartTLS                      S: 02 success     (TLS; what was said in clear is gone)   starttls.ts
//   C: 03 bind "uid=alice,…" "abcd …"   S: 03 success     gate, then the directory           bind.ts
//   C: 04 search "ou=people,…"          U: 04 entries, done   the bytes as they came         operations.ts, relay.ts
//   C: 05 bind "uid=bob,…" "efgh …"     S: 05 invalidCredentials   anonymous again           bind.ts
//   C: 06 unbind
//
// A client's messages are taken in order (dialogue.ts); their ids go up as they came, since each Bind has a directory connection of
// its own. Abandon and Unbind have no answer. What cannot be parsed gets a Notice of Disconnection (§4.1.1, §4.4.1).

import type { Connection } from '../../listen/connection.ts';
import type { ProtocolServer } from '../../listen/listener.ts';
import { BER } from './ber.ts';
import { bind } from './bind.ts';
import { Dialogue, type LdapDeps } from './dialogue.ts';
import { abandon, extended, operation } from './operations.ts';
import { goodbyeNotice } from './replies.ts';
import { readExtended } from './requests.ts';
import { startTls } from './starttls.ts';
import { type Envelope, OID, OP, readEnvelope, rebuild } from './wire.ts';

export type { LdapDeps } from './dialogue.ts';

/** Requests before the first Bind that succeeds; clients in the wild need fewer than ten. */
const MAX_REQUESTS = 100;

export function createLdapServer(deps: LdapDeps): ProtocolServer {
  return {
    serve: (connection: Connection) => new Dialogue(connection, deps, handle).done,
    plaintextOnTlsPort: (first) => (first[0] === BER.sequence ? goodbyeNotice('tlsRequired') : null),
  };
}

function handle(dialogue: Dialogue, message: Buffer): Promise<void> | undefined {
  const envelope = readEnvelope(message);
  if (envelope === undefined) {
    dialogue.goodbye('malformed', 'client_error');
    return undefined;
  }
  dialogue.connection.heard();
  if (!dialogue.hasBound) {
    dialogue.requests++;
    if (dialogue.requests > MAX_REQUESTS) {
      dialogue.goodbye('requests', 'client_error');
      return undefined;
    }
  }
  const { messageId, op } = envelope;
  // 0 is the server's own; one that is under way would have two answers (§4.1.1.1).
  if (messageId === 0 || dialogue.bound?.isOutstanding(messageId) === true) {
    dialogue.goodbye('badMessageId', 'client_error');
    return undefined;
  }
  switch (op.tag) {
    case OP.bindRequest:
      return bind(dialogue, envelope);
    case OP.unbindRequest:
      unbind(dialogue, envelope);
      return undefined;
    case OP.abandonRequest:
      abandon(dialogue, envelope);
      return undefined;
    case OP.extendedRequest:
      return extendedRequest(dialogue, envelope);
    case OP.searchRequest:
    case OP.compareRequest:
    case OP.addRequest:
    case OP.delRequest:
    case OP.modifyRequest:
    case OP.modifyDnRequest:
      operation(dialogue, envelope);
      return undefined;
    default:
      dialogue.goodbye('unknownOperation', 'client_error');
      return undefined;
  }
}

function extendedRequest(dialogue: Dialogue, envelope: Envelope): Promise<void> | undefined {
  const request = readExtended(envelope);
  if (request === undefined) {
    dialogue.goodbye('malformed', 'client_error');
    return undefined;
  }
  if (request.oid === OID.startTls) return startTls(dialogue, envelope);
  extended(dialogue, envelope, request);
  return undefined;
}

/** §4.3: the end, without an answer. */
function unbind(dialogue: Dialogue, envelope: Envelope): void {
  dialogue.bound?.flush();
  // Without its controls, of which none can be answered.
  dialogue.bound?.end('client_closed', rebuild(envelope, { controls: [] }));
  dialogue.close(Buffer.alloc(0), 'client_closed');
}
