// The IMAP server's side before login (RFC 3501, 2595, 4959, 7888, 2971, 5530). After login the bytes flow untouched.
//
//   S: * OK [CAPABILITY IMAP4rev1 … STARTTLS LOGINDISABLED] Postern ready
//   C: a STARTTLS               S: a OK            (TLS; what was buffered in clear is gone)       commands/starttls.ts
//   C: b ID ("name" "Outlook")  S: * ID (…) b OK   (kept: it names the client in the log)          commands/id.ts
//   C: c LOGIN alice "abcd …"                                                                      commands/login.ts
//      gate: admitted           → upstream login   → splice                                        admission.ts
//   S: c OK [CAPABILITY what the upstream can do] Logged in
//
// An optional command (CAPABILITY, NOOP, ID, ENABLE, one that nobody knows) never costs a login: whatever stands behind it, it is answered
// OK, or BAD if it is unknown, and the next command is read.
//
// At a refusal the connection stays, since some clients do not ask again if they see it drop; after several it closes.

import type { Connection } from '../../listen/connection.ts';
import type { ProtocolServer } from '../../listen/listener.ts';
import { authenticate } from './commands/authenticate.ts';
import { id } from './commands/id.ts';
import { login } from './commands/login.ts';
import { startTls } from './commands/starttls.ts';
import { Dialogue, type ImapDeps, type Next } from './dialogue.ts';
import type { Ended } from './frame-reader.ts';
import type { Frame } from './framer.ts';
import { GOODBYES, GREETING_TEXT, REPLIES } from './replies.ts';
import { Decoder } from './wire.ts';

/** Commands that a client may give before it logs in; clients in the wild need fewer than ten. */
const MAX_COMMANDS = 100;

/** Commands that are valid after login only (RFC 3501 §6.3, §6.4, and extensions). */
const AFTER_LOGIN = new Set(
  `SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB STATUS APPEND CHECK CLOSE EXPUNGE SEARCH FETCH
   STORE COPY UID IDLE NAMESPACE MOVE SORT THREAD UNSELECT GETQUOTA GETQUOTAROOT SETQUOTA GETACL SETACL DELETEACL
   LISTRIGHTS MYRIGHTS COMPRESS NOTIFY GETMETADATA SETMETADATA XLIST UNAUTHENTICATE`.split(/\s+/),
);

export function createImapServer(deps: ImapDeps): ProtocolServer {
  return {
    serve: (connection) => serve(connection, deps),
    plaintextOnTlsPort: (first) => (looksLikeHttp(first) ? null : `* BYE ${GOODBYES.tlsRequired}\r\n`),
  };
}

async function serve(connection: Connection, deps: ImapDeps): Promise<void> {
  const dialogue = new Dialogue(connection, deps);
  dialogue.write(`* OK [CAPABILITY ${dialogue.capabilities}] ${GREETING_TEXT}`);
  for (let commands = 0; commands < MAX_COMMANDS; commands++) {
    const next = await step(dialogue, await dialogue.reader.command());
    if (next === 'over') return;
  }
  dialogue.goodbye('commands');
}

async function step(dialogue: Dialogue, frame: Frame | Ended): Promise<Next> {
  if (frame.kind === 'complete' || frame.kind === 'literal') dialogue.connection.heard();
  switch (frame.kind) {
    case 'complete':
      return command(dialogue, frame.bytes);
    case 'literal':
      return literal(dialogue, frame.bytes);
    case 'too-large':
      return dialogue.reply(tagOf(frame.bytes), REPLIES.literalTooLarge);
    case 'overflow':
      return dialogue.goodbye(frame.what === 'line' ? 'lineTooLong' : 'literalTooLarge');
    case 'ended':
      return frame.why === 'closed' ? dialogue.hangUp() : dialogue.goodbye(frame.why);
  }
}

async function command(dialogue: Dialogue, bytes: Buffer): Promise<Next> {
  if (looksLikeHttp(bytes)) {
    dialogue.deps.events.tlsMistake(dialogue.connection, 'http');
    return dialogue.drop();
  }
  const decoder = new Decoder(bytes);
  const tag = decoder.tag();
  if (tag === undefined || !decoder.space()) return dialogue.reply('*', REPLIES.badSyntax);
  const name = decoder.atom()?.toUpperCase() ?? '';
  switch (name) {
    case 'CAPABILITY':
      dialogue.write(`* CAPABILITY ${dialogue.capabilities}`);
      return dialogue.reply(tag, 'OK Done');
    case 'NOOP':
      return dialogue.reply(tag, 'OK Done');
    case 'ENABLE':
      // RFC 5161 §3.1 has it after login alone; as Dovecot does it, nothing is enabled.
      dialogue.write('* ENABLED');
      return dialogue.reply(tag, 'OK Nothing is enabled before login');
    case 'LOGOUT':
      return logout(dialogue, tag);
    case 'ID':
      return id(dialogue, tag, decoder);
    case 'STARTTLS':
      return startTls(dialogue, tag, decoder);
    case 'LOGIN':
      return login(dialogue, tag, decoder);
    case 'AUTHENTICATE':
      return authenticate(dialogue, tag, decoder);
    default:
      return dialogue.reply(tag, AFTER_LOGIN.has(name) ? REPLIES.loginFirst : REPLIES.unknownCommand);
  }
}

/** The client waits for our word before it sends a literal: that of a LOGIN in clear is not invited. */
function literal(dialogue: Dialogue, start: Buffer): Next {
  const decoder = new Decoder(start);
  const tag = decoder.tag();
  const name = decoder.space() ? decoder.atom()?.toUpperCase() : undefined;
  if (tag !== undefined && name === 'LOGIN' && dialogue.connection.tls === null) {
    dialogue.reader.refuse();
    return dialogue.reply(tag, REPLIES.privacyRequired);
  }
  if (tag === undefined || (name !== 'LOGIN' && name !== 'ID')) {
    dialogue.reader.refuse();
    return dialogue.reply(tag ?? '*', REPLIES.badSyntax);
  }
  dialogue.reader.accept();
  dialogue.write('+ OK');
  return 'go on';
}

function logout(dialogue: Dialogue, tag: string): Next {
  // RFC 3501 §6.1.3: the BYE comes before the tagged OK.
  return dialogue.close(`* BYE ${GOODBYES.logout}`, `${tag} OK Done`);
}

function tagOf(bytes: Buffer): string {
  return new Decoder(bytes).tag() ?? '*';
}

function looksLikeHttp(bytes: Buffer): boolean {
  return /^(GET|POST|HEAD|PUT|OPTIONS|CONNECT|DELETE|PRI) [/*h]/.test(bytes.toString('latin1', 0, 12));
}
