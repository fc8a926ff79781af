// Logs in to an SMTP upstream for the user, and speaks with it step by step.

import type { Clock } from '../../lib/clock.ts';
import type { Secret } from '../../lib/secret.ts';
import type { UpstreamAddress, UpstreamTarget } from '../../upstream/target.ts';

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

export interface SmtpUpstream extends UpstreamTarget {
  readonly login: SmtpLoginMethod;
  /** Milliseconds from the greeting to the end of the login. */
  readonly loginDeadline: number;
  readonly sendClientAddress: 'secure' | 'always' | 'never';
  readonly onConnected: (address: UpstreamAddress, seconds: number) => void;
  /** It was connected, and then went or fell silent. Failed connections are for its health to tell. */
  readonly onFailed: (address: UpstreamAddress, error: Error) => void;
}

/** One answer, all its lines (RFC 5321 §4.2). */
export interface SmtpReply {
  readonly code: number;
  /** What follows the code and its separator, octets as Latin-1, each line at most 510 octets, at most 100 lines. */
  readonly lines: readonly string[];
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

/** The upstream's connection has ended, or it was silent for too long, or what it said is not SMTP. The message is for the log. */
export class UpstreamGoneError extends Error {
  override readonly name = 'UpstreamGoneError';
}

/** Rejects with UpstreamLoginError. */
export function openSmtpUpstream(_target: SmtpUpstream, _login: SmtpLogin): Promise<UpstreamSession> {
  throw new Error('not written yet');
}
