// The SMTP submission server's side (RFC 6409, 5321, 4954, 3207, 2920, 3461, 6531).
//
//   S: 220 mail.example.com ESMTP Postern
//   C: EHLO pc                     S: 250-mail.example.com … 250 STARTTLS                          commands/ehlo.ts
//   C: STARTTLS                    S: 220 (TLS; what was buffered in clear is gone)                commands/starttls.ts
//   C: EHLO pc                     S: 250-… 250 AUTH LOGIN PLAIN
//   C: AUTH PLAIN …                                                                                commands/auth.ts
//      gate: admitted              → upstream login                                                admission.ts
//   S: 235
//   C: MAIL FROM:<alice@…>         policy, quota      → the same upstream, its answer as it came   commands/mail.ts
//   C: RCPT TO:<bob@…>             → …                                                             commands/rcpt.ts
//   C: DATA                        → …  354                                                        commands/data.ts
//   C: message and its end         → … as it comes, with strict line ends; the answer as it came   transfer.ts
//   C: QUIT                        S: 221, and the upstream's connection is closed too
//
// At a refused login the connection stays, since some clients do not ask again if they see it drop; after several it closes.

import type { Connection } from '../../listen/connection.ts';
import type { ProtocolServer } from '../../listen/listener.ts';
import { auth } from './commands/auth.ts';
import { data } from './commands/data.ts';
import { ehlo, helo } from './commands/ehlo.ts';
import { mail } from './commands/mail.ts';
import { rcpt } from './commands/rcpt.ts';
import { rset } from './commands/rset.ts';
import { startTls } from './commands/starttls.ts';
import { type Break, Dialogue, type Next, type SmtpDeps } from './dialogue.ts';
import type { Ended, Line } from './line-reader.ts';
import { REPLIES, TLS_REQUIRED } from './replies.ts';
import type { Submission } from './submission.ts';
import { looksLikeHttp, MAX_COMMAND_OCTETS, parseCommand } from './wire.ts';

/** Commands that a client may give before it logs in; clients in the wild need fewer than ten. */
const MAX_COMMANDS = 100;
/** What a client gets for its next command or piece of a message, in milliseconds (RFC 5321 §4.5.3.2.7). */
const LONGEST_SILENCE = 300_000;

/** Known, and not for this door: what is said here about other clients and servers, nobody could vouch for. */
const REFUSED = new Set([
  'BURL',
  'ETRN',
  'EXPN',
  'SAML',
  'SEND',
  'SOML',
  'TURN',
  'ATRN',
  'XCLIENT',
  'XFORWARD',
]);

export function createSmtpServer(deps: SmtpDeps): ProtocolServer {
  return {
    serve: (connection) => serve(connection, deps),
    plaintextOnTlsPort: (first) => (looksLikeHttp(first) ? null : TLS_REQUIRED),
  };
}

async function serve(connection: Connection, deps: SmtpDeps): Promise<void> {
  const dialogue = new Dialogue(connection, deps);
  dialogue.reply(`220 ${deps.hostname} ESMTP Postern`);
  for (let commands = 0; commands < MAX_COMMANDS; commands++) {
    if ((await turn(dialogue)) === 'over') return;
    if (dialogue.submission !== undefined) return session(dialogue, dialogue.submission);
  }
  dialogue.goodbye('commands');
}

/** After login: until the client quits or goes, is silent for too long, or may not stay. */
async function session(dialogue: Dialogue, submission: Submission): Promise<void> {
  const { deps, reader } = dialogue;
  const startedAt = deps.clock.monotonic();
  const before = { received: reader.received, sent: dialogue.sent };
  const silence = setTimeout(
    () => {
      if (dialogue.isWaitingForClient) dialogue.break('idle');
      else silence.refresh();
    },
    Math.min(deps.idle, LONGEST_SILENCE),
  );
  reader.onHeard = () => void silence.refresh();
  try {
    while ((await turn(dialogue)) === 'go on');
  } finally {
    clearTimeout(silence);
    submission.end();
    const { live } = submission;
    live.leave();
    deps.events.sessionEnded(live.info, {
      reason: endReason(reader.ended?.why),
      bytesToUpstream: reader.received - before.received,
      bytesToClient: dialogue.sent - before.sent,
      seconds: (deps.clock.monotonic() - startedAt) / 1000,
    });
  }
}

function endReason(why: Break | 'closed' | undefined) {
  if (why === undefined || why === 'closed') return 'client_closed';
  return why === 'wrong_end' ? 'client_error' : why;
}

/** One command and its answer; the answer is written when the client has to be waited for. */
async function turn(dialogue: Dialogue): Promise<Next> {
  const { reader, submission } = dialogue;
  if (!reader.hasLine() || dialogue.holdsTooMuch) {
    await dialogue.settle();
    if (submission?.isDraining && submission.transaction === undefined) reader.interrupt('shutdown');
    await dialogue.flush();
  }
  return step(dialogue, await reader.line());
}

async function step(dialogue: Dialogue, line: Line | Ended<Break>): Promise<Next> {
  switch (line.kind) {
    case 'line':
      dialogue.connection.heard();
      return command(dialogue, line.bytes);
    case 'too long':
      await dialogue.settle();
      return dialogue.replyError(REPLIES.lineTooLong);
    case 'endless':
      await dialogue.settle();
      return dialogue.close(REPLIES.lineTooLong);
    case 'ended':
      await dialogue.settle();
      return line.why === 'closed' ? dialogue.hangUp() : dialogue.goodbye(line.why);
  }
}

async function command(dialogue: Dialogue, bytes: Buffer): Promise<Next> {
  if (dialogue.submission === undefined && looksLikeHttp(bytes)) {
    dialogue.deps.events.tlsMistake(dialogue.connection, 'http');
    return dialogue.drop();
  }
  const line = parseCommand(bytes);
  // The only one whose answers may be waited for while the next command is read.
  if (line?.verb === 'RCPT' && bytes.length <= MAX_COMMAND_OCTETS) return rcpt(dialogue, line.rest);
  await dialogue.settle();
  if (line === undefined) return dialogue.replyError(REPLIES.unreadable);
  if (line.verb === 'AUTH') return auth(dialogue, line.rest);
  if (bytes.length > MAX_COMMAND_OCTETS) return dialogue.replyError(REPLIES.lineTooLong);
  switch (line.verb) {
    case 'EHLO':
      return ehlo(dialogue, line.rest);
    case 'HELO':
      return helo(dialogue, line.rest);
    case 'STARTTLS':
      return startTls(dialogue, line.rest);
    case 'MAIL':
      return mail(dialogue, line.rest);
    case 'DATA':
      return data(dialogue, line.rest);
    case 'RSET':
      return rset(dialogue, line.rest);
    case 'NOOP':
      return dialogue.reply(REPLIES.ok);
    case 'VRFY':
      return dialogue.reply(REPLIES.vrfy);
    case 'HELP':
      return dialogue.reply(REPLIES.help);
    case 'BDAT':
      // Its chunk follows without being asked for (RFC 3030 §2), and is not to be taken for commands.
      return dialogue.close(REPLIES.notImplemented);
    case 'QUIT':
      return dialogue.close(REPLIES.bye);
    default:
      return dialogue.replyError(REFUSED.has(line.verb) ? REPLIES.notImplemented : REPLIES.unknownCommand);
  }
}
