// Logs in to an upstream as the user, in as few commands as it takes (RFC 3501, 4616, 4959, 2971).
//
//   U: * OK [CAPABILITY …]          (or asked for)
//   P: p1 STARTTLS                   U: p1 OK      (if configured; capabilities are asked for again)
//   P: p2 ID ("x-originating-ip" …)  U: p2 OK      (if offered; client facts only over TLS or loopback)
//   P: p3 AUTHENTICATE PLAIN …       U: p3 OK [CAPABILITY …]
//   P: p4 CAPABILITY                 U: * CAPABILITY …  (even if the OK told: see `authenticate`)
//
// A failure here is never the user's "wrong password": it is unavailable to the client, and loud to the operator.

import type { Socket } from 'node:net';
import type { UnavailableReason } from '../../gate/verdict.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Secret } from '../../lib/secret.ts';
import { closeWith } from '../../listen/goodbye.ts';
import type { UpstreamAddress } from '../../upstream/address.ts';
import { connectUpstream } from '../../upstream/dial.ts';
import { UpstreamUnreachableError } from '../../upstream/errors.ts';
import { type LoginTarget, maySendClientAddress, type UpstreamTarget } from '../../upstream/target.ts';
import { startTls } from '../../upstream/tls.ts';
import { UpstreamLoginError } from '../admission.ts';
import { encodePlain } from '../sasl.ts';
import { upstreamClosed } from '../upstream-closed.ts';
import { FrameReader } from './frame-reader.ts';
import { type FrameBounds, Framer } from './framer.ts';
import {
  capabilitiesIn,
  capabilityListOf,
  decodeResponse,
  encodeIdFields,
  ID_BOUNDS,
  type IdFields,
  quoted,
  type Response,
} from './wire.ts';

/** How Postern logs in as the user. */
export type ImapLoginMethod =
  /** SASL PLAIN with the user as authorization identity. */
  | { readonly method: 'plain'; readonly user: string; readonly password: Secret }
  /** The user and the master user in one name: `user*master`. */
  | {
      readonly method: 'master-suffix';
      readonly user: string;
      readonly password: Secret;
      readonly separator: string;
    }
  /** One fixed account, whoever the user is. */
  | { readonly method: 'password'; readonly user: string; readonly password: Secret };

export interface ImapUpstream extends LoginTarget {
  readonly login: ImapLoginMethod;
  readonly sendClientAddress: 'secure' | 'always' | 'never';
  /** Join an upstream that offers UNAUTHENTICATE (RFC 8437), by which a client could log in again past the gate. */
  readonly acceptUnauthenticate: boolean;
  /** What may be offered of it before login, while nothing is learnt and at most; null: what is learnt (capabilities.ts). */
  readonly capabilities?: readonly string[] | null;
}

export interface ImapLogin {
  readonly user: string;
  readonly client: { readonly address: string; readonly port: number };
  /** What the client has connected to. */
  readonly destination: { readonly address: string; readonly port: number };
  readonly sessionId: string;
  readonly clientId: IdFields | undefined;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** An upstream that is logged in. Its socket is paused. */
export interface JoinableUpstream {
  readonly socket: Socket;
  /** As they are after login, in the upstream's own words. */
  readonly capabilities: string;
  /** Untagged data of the login's answer, for the client; without their CRLF. */
  readonly untagged: readonly Buffer[];
  /** What came behind the login's answer. */
  readonly rest: Buffer;
}

/** What a login's answers may measure. Untagged data can be alerts and the like, not mailboxes. */
const UPSTREAM_BOUNDS: FrameBounds = { line: 65_536, literal: 65_536, command: 131_072 };
/** Untagged responses to one command. */
const MAX_UNTAGGED = 100;

/** What an upstream offers to whom it does not know, for no client; never from before TLS. Rejects if it cannot be asked. */
export async function askCapabilities(
  target: ImapUpstream,
  { signal, clock }: Pick<ImapLogin, 'signal' | 'clock'>,
): Promise<string> {
  const dialogue = await connectUpstream(target, (socket, { address }) => greet(target, address, socket), {
    signal,
    clock,
  });
  return withDeadline(dialogue, target, signal, async () => {
    const capabilities = await dialogue.askCapabilities();
    dialogue.letGo();
    closeWith(dialogue.socket, 'bye LOGOUT\r\n');
    return capabilities;
  });
}

export async function logInUpstream(target: ImapUpstream, login: ImapLogin): Promise<JoinableUpstream> {
  try {
    const dialogue = await connectUpstream(target, (socket, { address }) => greet(target, address, socket), {
      signal: login.signal,
      clock: login.clock,
      client: { source: login.client, destination: login.destination },
      onConnected: target.onConnected,
    });
    return await withDeadline(dialogue, target, login.signal, async () => {
      await identify(dialogue, target, login);
      return authenticate(dialogue, target, login);
    }).catch((error: unknown) => {
      // It answered, and then went or fell silent: the operator wants to know that as much as a refused connection.
      if (error instanceof UpstreamLoginError && error.reason === 'upstream_unreachable')
        target.onFailed(dialogue.address, error, { session: login.sessionId, user: login.user });
      throw error;
    });
  } catch (error) {
    if (error instanceof UpstreamUnreachableError)
      throw new UpstreamLoginError('upstream_unreachable', error.message);
    throw error;
  }
}

/** Runs the steps within the upstream's time for a login. If they fail, the connection is gone. */
async function withDeadline<T>(
  dialogue: UpstreamDialogue,
  target: ImapUpstream,
  signal: AbortSignal,
  steps: () => Promise<T>,
): Promise<T> {
  const late = setTimeout(
    () => dialogue.fail('upstream_unreachable', 'no end of the login'),
    target.loginDeadline,
  );
  const abort = () => dialogue.fail('session_ended', 'the client is gone or its session was ended');
  signal.addEventListener('abort', abort);
  try {
    if (signal.aborted) abort();
    return await steps();
  } catch (error) {
    dialogue.socket.destroy();
    throw error;
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', abort);
  }
}

/** Greeting and STARTTLS: the part that belongs to connecting, so that a host that fails in it is followed by the next. */
async function greet(
  target: UpstreamTarget,
  address: UpstreamAddress,
  socket: Socket,
): Promise<UpstreamDialogue> {
  const dialogue = new UpstreamDialogue(socket, address);
  const greeting = await dialogue.response();
  if (greeting.tag !== '*' || greeting.type !== 'OK') {
    // PREAUTH: it would serve the session as somebody, and we do not know whom (RFC 3501 §7.1.4).
    throw new UpstreamLoginError('upstream_protocol', `greeting is ${greeting.type || 'not IMAP'}`);
  }
  const told = capabilityListOf(greeting);
  if (told !== undefined) dialogue.capabilities = capabilitiesIn(told);
  if (target.tls !== 'starttls') return dialogue;
  await dialogue.command('STARTTLS');
  // RFC 3501 §6.2.1: capabilities learnt in clear are forgotten, and so is what came behind the OK.
  dialogue.letGo();
  return new UpstreamDialogue(await startTls(socket, target, address), address);
}

/** Tells the upstream where the client comes from and what it calls itself. A refusal of ID is not worth a failed login. */
async function identify(dialogue: UpstreamDialogue, target: ImapUpstream, login: ImapLogin): Promise<void> {
  dialogue.capabilities ??= capabilitiesIn(await dialogue.askCapabilities());
  if (!dialogue.capabilities.has('ID')) return;
  const ours: [string, string][] = maySendClientAddress(target, dialogue.socket.remoteAddress ?? '')
    ? [
        ['x-originating-ip', login.client.address],
        ['x-originating-port', String(login.client.port)],
        ['x-session-id', login.sessionId],
        ['x-proxy-ttl', '4'],
      ]
    : [];
  // What a client says of itself must not make the line one that the upstream refuses: its last words go first.
  const theirs = [...(login.clientId ?? [])].slice(0, ID_BOUNDS.pairs - ours.length);
  let argument = encodeIdFields(new Map([...theirs, ...ours]));
  while (argument.length > ID_BOUNDS.passedOn && theirs.pop() !== undefined) {
    argument = encodeIdFields(new Map([...theirs, ...ours]));
  }
  if (argument !== 'NIL') await dialogue.command(`ID ${argument}`, { tolerant: true });
}

async function authenticate(
  dialogue: UpstreamDialogue,
  target: ImapUpstream,
  login: ImapLogin,
): Promise<JoinableUpstream> {
  const untagged: Buffer[] = [];
  const lists: string[] = [];
  const seen = (response: Response) => lists.push(capabilityListOf(response) ?? '');
  await sendCredentials(dialogue, target.login, login.user, { untagged, seen });
  // Those of the OK are not all of them: Cyrus 3.6 tells an admin of UNAUTHENTICATE only when it is asked (measured).
  const capabilities = await dialogue.askCapabilities({ untagged, seen });
  if (!target.acceptUnauthenticate && capabilitiesIn(lists.join(' ')).has('UNAUTHENTICATE')) {
    throw new UpstreamLoginError(
      'upstream_unauthenticate',
      'it offers UNAUTHENTICATE (RFC 8437): a client could log in again past Postern; see acceptUnauthenticate',
    );
  }
  return { socket: dialogue.socket, capabilities, untagged, rest: dialogue.letGo() };
}

async function sendCredentials(
  dialogue: UpstreamDialogue,
  method: ImapLoginMethod,
  user: string,
  collect: Pick<CommandOptions, 'untagged' | 'seen'>,
): Promise<Response> {
  const { authorizationId, name } = identities(method, user);
  const options = { ...collect, refusedAs: 'upstream_refused_postern' } as const;
  const offered = dialogue.capabilities ?? new Set();
  dialogue.presented = method.password;
  if (offered.has('AUTH=PLAIN')) {
    const message = encodePlain(authorizationId, name, method.password);
    return offered.has('SASL-IR')
      ? dialogue.command(`AUTHENTICATE PLAIN ${message}`, options)
      : dialogue.command('AUTHENTICATE PLAIN', { ...options, continuation: message });
  }
  if (authorizationId !== '') {
    throw new UpstreamLoginError(
      'upstream_protocol',
      'it does not offer AUTH=PLAIN, which login method plain needs',
    );
  }
  if (offered.has('LOGINDISABLED')) {
    throw new UpstreamLoginError(
      'upstream_protocol',
      'it offers neither AUTH=PLAIN nor LOGIN; does it want TLS?',
    );
  }
  return dialogue.command(`LOGIN ${quoted(name)} ${quoted(method.password.reveal())}`, options);
}

function identities(method: ImapLoginMethod, user: string): { authorizationId: string; name: string } {
  switch (method.method) {
    case 'plain':
      return { authorizationId: user, name: method.user };
    case 'master-suffix':
      return { authorizationId: '', name: `${user}${method.separator}${method.user}` };
    case 'password':
      return { authorizationId: '', name: method.user };
  }
}

interface CommandOptions {
  /** Collects untagged responses, but for BYE and CAPABILITY. */
  readonly untagged?: Buffer[];
  /** Is shown every response. */
  readonly seen?: (response: Response) => void;
  /** Sent after a "+". */
  readonly continuation?: string;
  /** Gives a NO or BAD back instead of throwing. */
  readonly tolerant?: boolean;
  readonly refusedAs?: UnavailableReason;
}

class UpstreamDialogue {
  readonly socket: Socket;
  readonly address: UpstreamAddress;
  readonly #reader: FrameReader;
  capabilities: ReadonlySet<string> | undefined;
  /** Once it is sent. */
  presented: Secret | undefined;
  #failure: UpstreamLoginError | undefined;
  #commands = 0;

  constructor(socket: Socket, address: UpstreamAddress) {
    this.socket = socket;
    this.address = address;
    this.#reader = new FrameReader(socket, new Framer('inline', UPSTREAM_BOUNDS));
  }

  /** Breaks the dialogue off with this error. */
  fail(reason: UnavailableReason, message: string): void {
    this.#failure ??= new UpstreamLoginError(reason, message);
    this.#reader.interrupt('closed');
  }

  letGo(): Buffer {
    return this.#reader.detach();
  }

  /** The list, in the upstream's own words: some clients know capabilities by their usual case only. */
  async askCapabilities(options: Pick<CommandOptions, 'untagged' | 'seen'> = {}): Promise<string> {
    let found: string | undefined;
    const seen = (response: Response) => {
      options.seen?.(response);
      found = capabilityListOf(response) ?? found;
    };
    await this.command('CAPABILITY', { ...options, seen });
    if (found === undefined)
      throw new UpstreamLoginError('upstream_protocol', 'no capabilities in answer to CAPABILITY');
    return found;
  }

  /** Sends a command and reads to its tagged answer. Throws for NO, BAD, BYE and the end of the connection. */
  async command(line: string, options: CommandOptions = {}): Promise<Response> {
    const tag = `p${++this.#commands}`;
    const name = line.split(' ', 1)[0] as string;
    this.socket.write(`${tag} ${line}\r\n`);
    let continuation = options.continuation;
    for (let untagged = 0; untagged < MAX_UNTAGGED; untagged++) {
      const { bytes, ...response } = await this.#read();
      options.seen?.(response);
      if (response.tag === tag) {
        if (response.type === 'OK' || options.tolerant) return response;
        const reason = response.code.toUpperCase().startsWith('UNAVAILABLE') ? undefined : options.refusedAs;
        throw new UpstreamLoginError(
          reason ?? 'upstream_protocol',
          `${name}: ${response.type} [${codeName(response)}]`,
        );
      }
      if (response.tag === '+') {
        // A challenge that we have no answer for (a failed OAuth login, say) is ended with an empty line.
        this.socket.write(`${continuation ?? ''}\r\n`);
        continuation = undefined;
      } else if (response.type === 'BYE') {
        if (this.presented !== undefined) throw upstreamClosed(response.text, this.presented);
        throw new UpstreamLoginError('upstream_protocol', `it said BYE to ${name}`);
      } else if (response.tag !== '*') {
        throw new UpstreamLoginError('upstream_protocol', `its answer to ${name} is not IMAP`);
      } else if (response.type !== 'CAPABILITY') {
        options.untagged?.push(bytes);
      }
    }
    throw new UpstreamLoginError('upstream_protocol', `more than ${MAX_UNTAGGED} responses to ${name}`);
  }

  async response(): Promise<Response> {
    return this.#read();
  }

  async #read(): Promise<Response & { bytes: Buffer }> {
    const frame = await this.#reader.command();
    if (this.#failure !== undefined) throw this.#failure;
    if (frame.kind === 'complete') {
      const response = decodeResponse(frame.bytes);
      if (response !== undefined) return { ...response, bytes: frame.bytes };
      throw new UpstreamLoginError('upstream_protocol', 'it does not speak IMAP');
    }
    if (frame.kind === 'ended') {
      throw this.presented === undefined
        ? new UpstreamLoginError('upstream_unreachable', 'it closed the connection')
        : upstreamClosed('', this.presented);
    }
    throw new UpstreamLoginError('upstream_protocol', 'a response is too long');
  }
}

/** The name of a response code, such as AUTHENTICATIONFAILED: the rest of an answer may repeat what we sent. */
function codeName({ code }: Response): string {
  return /^[A-Z]+(-[A-Z]+)*(?= |$)/i.exec(code)?.[0] ?? '';
}
