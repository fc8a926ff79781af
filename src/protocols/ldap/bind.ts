// Bind (RFC 4511 §4.2, RFC 4513 §5), again and again on one connection: the old identity ends at once, what was under way for it is
// abandoned, and if the new one is refused the client is anonymous.
//
//   C: 01 bind "uid=alice,ou=people,dc=example,dc=com" "abcd …"     or SASL PLAIN (RFC 4616)
//      gate: admitted → the directory, bound as Postern's own account                             ../admission.ts, upstream.ts
//   S: 01 success

import type { Secret } from '../../lib/secret.ts';
import { maySendClientAddress } from '../../upstream/target.ts';
import { admit, type Presented } from '../admission.ts';
import { decodePlain } from '../sasl.ts';
import { encodeSessionTracking } from './controls.ts';
import type { Dialogue } from './dialogue.ts';
import { offerTo } from './operations.ts';
import { Relay } from './relay.ts';
import { encodeReply, encodeVerdict, type Reply } from './replies.ts';
import { type Bind, readBind } from './requests.ts';
import { encodeResult } from './responses.ts';
import type { Directory } from './upstream.ts';
import { type Envelope, encodeControl, OID, OP, RESULT, readControls } from './wire.ts';

/** What a Bind says, as far as the gate is to hear it; or what it is answered with. */
type Claim = Presented | { readonly reply: Reply | 'success' };

export async function bind(dialogue: Dialogue, envelope: Envelope): Promise<void> {
  const { messageId } = envelope;
  const request = readBind(envelope);
  const controls = readControls(envelope);
  if (request === undefined || controls === undefined) {
    dialogue.goodbye('malformed', 'client_error');
    return;
  }
  await leaveIdentity(dialogue);
  if (dialogue.isOver) return;
  const claim = controls.some(({ critical }) => critical)
    ? { reply: 'criticalControl' as const }
    : claimOf(dialogue, request);
  if ('login' in claim) {
    await attempt(dialogue, messageId, claim);
  } else if (claim.reply === 'success') {
    dialogue.write(encodeResult(messageId, OP.bindResponse, RESULT.success));
  } else if (claim.reply === 'goOn') {
    dialogue.write(
      encodeReply(messageId, OP.bindResponse, 'goOn', { serverSaslCredentials: Buffer.alloc(0) }),
    );
  } else {
    dialogue.write(encodeReply(messageId, OP.bindResponse, claim.reply));
  }
}

/** Ends what the client was, as soon as it has no half message any more. */
async function leaveIdentity(dialogue: Dialogue): Promise<void> {
  const { bound } = dialogue;
  if (bound === undefined) return;
  bound.flush();
  await bound.boundary();
  bound.end('client_closed');
  dialogue.anonymous();
}

function claimOf(dialogue: Dialogue, { version, name, authentication }: Bind): Claim {
  if (version !== 3) return { reply: 'badVersion' };
  const { mayLogIn } = dialogue.connection;
  switch (authentication.kind) {
    case 'simple': {
      const { password } = authentication;
      // RFC 4513 §5.1.1, §5.1.2: a name without a password is no login, and must not look like one.
      if (password.isEmpty && name !== '') return { reply: 'emptyPassword' };
      if (password.isEmpty) return { reply: dialogue.deps.anonymousBind ? 'success' : 'anonymous' };
      return mayLogIn ? { login: name, secret: password } : { reply: 'tlsFirst' };
    }
    case 'sasl':
      if (authentication.mechanism.toUpperCase() !== 'PLAIN') return { reply: 'mechanismUnknown' };
      return mayLogIn ? plainClaim(authentication.credentials) : { reply: 'tlsFirst' };
    case 'other':
      return { reply: 'mechanismUnknown' };
  }
}

/** RFC 4616. A client that waits for the server's word first gets an empty one, and comes again (RFC 4422 §3.5). */
function plainClaim(credentials: Secret | null): Claim {
  if (credentials === null) return { reply: 'goOn' };
  const presented = decodePlain(credentials.reveal());
  return presented.secret.isEmpty ? { reply: 'emptyPassword' } : presented;
}

async function attempt(dialogue: Dialogue, messageId: number, presented: Presented): Promise<void> {
  const { connection, deps } = dialogue;
  const admission = await admit<Directory>(
    connection,
    deps,
    { protocol: 'ldap', ...presented, software: null },
    ({ user, upstream }, signal) => {
      const target = deps.upstreams.get(upstream);
      if (target === undefined) throw new Error(`no LDAP upstream is named ${upstream}`);
      const { client, destination, id: sessionId } = connection;
      return deps.openDirectory(target, {
        user,
        client,
        destination,
        sessionId,
        signal,
        clock: deps.clock,
      });
    },
    ({ socket }) => socket.destroy(),
  );
  if (admission.kind === 'rejected') {
    if (!admission.answer) {
      dialogue.drop();
      return;
    }
    dialogue.write(encodeVerdict(messageId, admission.verdict));
    dialogue.failedAttempts++;
    if (dialogue.failedAttempts >= deps.attemptsPerConnection) dialogue.goodbye('attempts', 'client_error');
    return;
  }
  const { admitted, live, upstream: directory } = admission;
  const policy = deps.policies[admitted.route];
  if (dialogue.isOver || policy === undefined) {
    live.leave();
    directory.socket.destroy();
    if (policy === undefined) throw new Error(`route ${admitted.route} has no directory policy`);
    return;
  }
  const { userDn } = directory;
  const authorizationId = userDn === null ? `u:${admitted.user}` : `dn:${userDn}`;
  const target = deps.upstreams.get(admitted.upstream);
  const isProxied = target?.login.method === 'proxied-authorization';
  const controls: Buffer[] = [];
  if (isProxied) controls.push(encodeControl(OID.proxiedAuthorization, true, authorizationId));
  if (target?.sessionTracking) {
    const mayTell = maySendClientAddress(target, directory.socket.remoteAddress ?? '');
    const address = mayTell ? connection.client.address : '';
    controls.push(encodeSessionTracking(address, connection.id, admitted.user));
  }
  dialogue.failedAttempts = 0;
  dialogue.loggedIn();
  dialogue.write(encodeResult(messageId, OP.bindResponse, RESULT.success));
  const relay = new Relay(dialogue, {
    live,
    directory,
    policy,
    authorizationId,
    isProxied,
    controls: controls.length === 0 ? null : Buffer.concat(controls),
    offer: offerTo(dialogue, policy.operations.has('passwordModify')),
    events: deps.events,
    clock: deps.clock,
  });
  dialogue.bound = relay;
  relay.start();
}
