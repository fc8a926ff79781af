// Logs in to an SMTP upstream for the user, and gives the connection for the session to speak on (RFC 5321, 3207, 4954).
//
//   U: 220                                          P: EHLO hostname      U: 250-…
//   P: STARTTLS           U: 220       then EHLO again    (if configured)
//   P: XCLIENT LOGIN=…    U: 220       then EHLO again    (method xclient; otherwise client facts, if it takes them)
//   P: AUTH PLAIN …       U: 235                          (methods plain and password)
//
// Client facts only over TLS or loopback, unless the config says otherwise. A failure here is never the user's "wrong password": it
// is unavailable to the client, and loud to the operator.

import type { Socket } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { Secret } from '../../lib/secret.ts';
import type { UpstreamAddress } from '../../upstream/address.ts';
import { connectUpstream } from '../../upstream/dial.ts';
import { UpstreamUnreachableError } from '../../upstream/errors.ts';
import { type LoginTarget, maySendClientAddress, type UpstreamTarget } from '../../upstream/target.ts';
import { startTls } from '../../upstream/tls.ts';
import { UpstreamLoginError } from '../admission.ts';
import { encodePlain } from '../sasl.ts';
import { upstreamClosed } from '../upstream-closed.ts';
import { enhancedCode, extensionsIn, type SmtpReply } from './reply.ts';
import { UpstreamDialogue, UpstreamGoneError } from './upstream-dialogue.ts';
import { takesLogin, xclientCommand } from './upstream-xclient.ts';

export type { SmtpReply } from './reply.ts';
export { UpstreamGoneError } from './upstream-dialogue.ts';

/** How Postern logs in for the user. */
export type SmtpLoginMethod =
  /** SASL PLAIN with the user as authorization identity. */
  | { readonly method: 'plain'; readonly user: string; readonly password: Secret }
  /** One fixed account, whoever the user is. */
  | { readonly method: 'password'; readonly user: string; readonly password: Secret }
  /** XCLIENT names the user (Postfix). */
  | { readonly method: 'xclient' }
  /** It trusts Postern's address. */
  | { readonly method: 'none' };

export interface SmtpUpstream extends LoginTarget {
  readonly login: SmtpLoginMethod;
  readonly sendClientAddress: 'secure' | 'always' | 'never';
}

export interface SmtpLogin {
  readonly user: string;
  readonly client: { readonly address: string; readonly port: number };
  /** What the client has connected to. */
  readonly destination: { readonly address: string; readonly port: number };
  readonly sessionId: string;
  /** Our own name, for EHLO. */
  readonly hostname: string;
  /** What the client said in EHLO or HELO. Untrusted. */
  readonly helo: string | null;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** An upstream that is logged in. */
export interface UpstreamSession {
  /** Upper-case keyword → parameters, of its last EHLO; empty if it knows HELO only. */
  readonly extensions: ReadonlyMap<string, string>;
  /**
   * Sends one command line (without CRLF). It may be called again before earlier commands are answered if PIPELINING is offered; replies
   * are matched in order. `deadline` in milliseconds; that of RFC 5321 §4.5.3.2 unless told. Rejects with UpstreamGoneError.
   */
  command(line: string, deadline?: number): Promise<SmtpReply>;
  /** After a 354: bytes as they go on the wire, dots stuffed. False: wait for `drained` before the next. */
  write(chunk: Buffer): boolean;
  /** Rejects with UpstreamGoneError. */
  drained(): Promise<void>;
  /** Writes the rest, which ends in the end of data, and waits for the answer to the message. Rejects with UpstreamGoneError. */
  endData(tail: Buffer): Promise<SmtpReply>;
  /** Called once, when the connection ends by itself; at once if it has. */
  onGone(call: (error: Error) => void): void;
  /** QUIT if no command is unanswered and no data are under way, then closes; takes a few seconds at most. */
  quit(): void;
  /** Closes at once: a message that is under way is not sent. */
  destroy(): void;
}

/** Octets of a command line without its CRLF (RFC 5321 §4.5.3.1.4): servers say "500 Line too long" to more. */
const MAX_LINE = 510;

/** Rejects with UpstreamLoginError. */
export async function openSmtpUpstream(target: SmtpUpstream, login: SmtpLogin): Promise<UpstreamSession> {
  try {
    const dialogue = await connectUpstream(
      target,
      (socket, { address }) => greet(target, login.hostname, address, socket),
      {
        signal: login.signal,
        clock: login.clock,
        client: { source: login.client, destination: login.destination },
        onConnected: target.onConnected,
      },
    );
    return await logIn(dialogue, target, login);
  } catch (error) {
    if (error instanceof UpstreamUnreachableError) {
      throw new UpstreamLoginError('upstream_unreachable', error.message);
    }
    throw error;
  }
}

/** What an upstream offers to whom it does not know, for no client. Rejects if it cannot be asked. */
export async function askExtensions(
  target: SmtpUpstream,
  { hostname, signal, clock }: Pick<SmtpLogin, 'hostname' | 'signal' | 'clock'>,
): Promise<ReadonlyMap<string, string>> {
  const dialogue = await connectUpstream(
    target,
    (socket, { address }) => greet(target, hostname, address, socket),
    { signal, clock },
  );
  return await withDeadline(dialogue, target.loginDeadline, signal, async () => {
    if (target.tls !== 'starttls') await hello(dialogue, hostname, target.login.method === 'none');
    dialogue.quit();
    return dialogue.extensions;
  });
}

async function logIn(
  dialogue: UpstreamDialogue,
  target: SmtpUpstream,
  login: SmtpLogin,
): Promise<UpstreamSession> {
  /** It has been told who the user is, with Postern's password or on trust. */
  let isTold = false;
  try {
    await withDeadline(dialogue, target.loginDeadline, login.signal, async () => {
      if (target.tls !== 'starttls') await hello(dialogue, login.hostname, target.login.method === 'none');
      isTold = target.login.method === 'xclient';
      await tellClient(dialogue, target, login);
      isTold = target.login.method !== 'none';
      await authenticate(dialogue, target.login, login.user);
    });
    return dialogue;
  } catch (thrown) {
    const error =
      thrown instanceof UpstreamGoneError
        ? loginErrorOf(thrown, login.signal, isTold ? target.login : null)
        : thrown;
    // It answered, and then went or fell silent: the operator wants to know that as much as a refused connection.
    if (error instanceof UpstreamLoginError && error.reason === 'upstream_unreachable') {
      target.onFailed(dialogue.address, error, { session: login.sessionId, user: login.user });
    }
    throw error;
  }
}

async function withDeadline<T>(
  dialogue: UpstreamDialogue,
  deadline: number,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const late = setTimeout(() => dialogue.fail('silent', 'no end of the login'), deadline);
  const abort = () => dialogue.fail('given_up', 'the client is gone or its session was ended');
  signal.addEventListener('abort', abort);
  try {
    if (signal.aborted) abort();
    return await work();
  } catch (error) {
    dialogue.destroy();
    throw error;
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', abort);
  }
}

/** `told`: how Postern had logged in by then, if it had. */
function loginErrorOf(
  { why, message, words }: UpstreamGoneError,
  signal: AbortSignal,
  told: SmtpLoginMethod | null,
): UpstreamLoginError {
  if (signal.aborted) return new UpstreamLoginError('session_ended', message);
  if (why === 'closed' && told !== null)
    return upstreamClosed(words, 'password' in told ? told.password : null);
  return new UpstreamLoginError(why === 'nonsense' ? 'upstream_protocol' : 'upstream_unreachable', message);
}

/** Greeting and STARTTLS: the part that belongs to connecting, so that a host that fails in it is followed by the next. */
async function greet(
  target: UpstreamTarget,
  hostname: string,
  address: UpstreamAddress,
  socket: Socket,
): Promise<UpstreamDialogue> {
  const dialogue = new UpstreamDialogue(socket, address);
  const greeting = await dialogue.greeting();
  if (greeting.code !== 220) throw failure('its greeting', greeting, 'upstream_protocol');
  if (target.tls !== 'starttls') return dialogue;
  await hello(dialogue, hostname, false);
  if (!dialogue.extensions.has('STARTTLS')) {
    throw new UpstreamLoginError('upstream_protocol', 'it does not offer STARTTLS');
  }
  const answer = await dialogue.command('STARTTLS');
  if (answer.code !== 220) throw failure('STARTTLS', answer, 'upstream_protocol');
  // RFC 3207 §4.2: what was learnt in clear is forgotten, and so is what came behind the 220.
  const secured = new UpstreamDialogue(await startTls(dialogue.letGo(), target, address), address);
  await hello(secured, hostname, false);
  return secured;
}

/** `mayBeOld`: it need not know EHLO (RFC 5321 §3.2). */
async function hello(dialogue: UpstreamDialogue, hostname: string, mayBeOld: boolean): Promise<void> {
  const answer = await dialogue.command(`EHLO ${hostname}`);
  if (answer.code === 250) {
    dialogue.extensions = extensionsIn(answer);
    return;
  }
  if (!mayBeOld || answer.code < 500) throw failure('EHLO', answer, 'upstream_protocol');
  const old = await dialogue.command(`HELO ${hostname}`);
  if (old.code !== 250) throw failure('HELO', old, 'upstream_protocol');
  dialogue.extensions = new Map();
}

async function tellClient(dialogue: UpstreamDialogue, target: SmtpUpstream, login: SmtpLogin): Promise<void> {
  const offered = dialogue.extensions.get('XCLIENT');
  const isLogin = target.login.method === 'xclient';
  if (isLogin && (offered === undefined || !takesLogin(offered))) {
    // Never on without it: as whoever Postern's address is trusted to be.
    throw new UpstreamLoginError(
      'upstream_protocol',
      `it does not offer XCLIENT ${offered === undefined ? '' : 'with LOGIN '}to Postern, which login method xclient needs; see smtpd_authorized_xclient_hosts`,
    );
  }
  if (offered === undefined) return;
  const { helo, sessionId } = login;
  const maySend = maySendClientAddress(target, dialogue.remoteAddress);
  const tell = async (address: string | null): Promise<SmtpReply | undefined> => {
    const command = xclientCommand(offered, {
      ...(isLogin && { user: login.user }),
      ...(maySend && { client: { address, port: login.client.port, helo, sessionId } }),
    });
    return command === undefined ? undefined : dialogue.command(command);
  };
  let answer = await tell(login.client.address);
  // "Bad ADDR syntax", says a Postfix with `inet_protocols = ipv4` of an IPv6 client: better from nowhere than from Postern.
  if (answer?.code === 501 && maySend && login.client.address.includes(':')) answer = await tell(null);
  if (answer === undefined) return;
  if (answer.code === 220) {
    await hello(dialogue, login.hostname, false);
  } else if (isLogin || answer.code < 500) {
    throw failure('XCLIENT', answer, 'upstream_refused_postern');
  }
}

async function authenticate(
  dialogue: UpstreamDialogue,
  method: SmtpLoginMethod,
  user: string,
): Promise<void> {
  if (method.method === 'xclient' || method.method === 'none') return;
  const mechanisms = new Set((dialogue.extensions.get('AUTH') ?? '').toUpperCase().split(/ +/));
  if (mechanisms.has('PLAIN')) {
    const authorizationId = method.method === 'plain' ? user : '';
    await authPlain(dialogue, encodePlain(authorizationId, method.user, method.password));
  } else if (method.method === 'password' && mechanisms.has('LOGIN')) {
    await authLogin(dialogue, method.user, method.password);
  } else {
    throw new UpstreamLoginError(
      'upstream_protocol',
      `it does not offer AUTH PLAIN${method.method === 'password' ? ' or LOGIN' : ''}, which login method ${method.method} needs; does it want TLS?`,
    );
  }
}

async function authPlain(dialogue: UpstreamDialogue, message: string): Promise<void> {
  const line = `AUTH PLAIN ${message}`;
  let answer: SmtpReply;
  if (line.length <= MAX_LINE) {
    answer = await dialogue.secretCommand(line, 'AUTH');
  } else {
    await challenge(dialogue, 'AUTH PLAIN');
    answer = await dialogue.secretCommand(message, 'AUTH');
  }
  if (answer.code !== 235) throw failure('AUTH', answer, 'upstream_refused_postern');
}

/** Exchange Online has no PLAIN (draft-murchison-sasl-login). */
async function authLogin(dialogue: UpstreamDialogue, user: string, password: Secret): Promise<void> {
  await challenge(dialogue, 'AUTH LOGIN');
  await challenge(dialogue, Buffer.from(user).toString('base64'));
  const answer = await dialogue.secretCommand(Buffer.from(password.reveal()).toString('base64'), 'AUTH');
  if (answer.code !== 235) throw failure('AUTH', answer, 'upstream_refused_postern');
}

async function challenge(dialogue: UpstreamDialogue, line: string): Promise<void> {
  const answer = await dialogue.secretCommand(line, 'AUTH');
  if (answer.code !== 334) throw failure('AUTH', answer, 'upstream_refused_postern');
}

/** What an answer that is not the one that was hoped for means. Of the answer only its codes: the text may repeat what we sent. */
function failure(
  what: string,
  answer: SmtpReply,
  permanent: 'upstream_protocol' | 'upstream_refused_postern',
): UpstreamLoginError | UpstreamGoneError {
  const message = `${what}: ${answer.code} ${enhancedCode(answer)}`.trimEnd();
  if (answer.code === 421) return new UpstreamGoneError('closed', message, answer.lines.join(' '));
  const isTemporary = answer.code >= 400 && answer.code < 500;
  const isRefusal = answer.code >= 500;
  if (isTemporary) return new UpstreamLoginError('upstream_unreachable', message);
  return new UpstreamLoginError(isRefusal ? permanent : 'upstream_protocol', message);
}
