// Replies of an SMTP server, out of its bytes (RFC 5321 §4.2). Pure.
//
//   reply = *( code "-" text CRLF ) code [ SP text ] CRLF        the code is the same on every line
//
// Read with some patience (a bare LF ends a line too, as it does for other clients), and within bounds: nothing that a server sends
// makes it grow.

import { isUtf8 } from 'node:buffer';

export interface SmtpReply {
  readonly code: number;
  /**
   * What follows the code and its separator, line by line: UTF-8, control characters and what is no UTF-8 replaced by `?`, each
   * line cut to 506 octets, so that with code, separator and CRLF it is one of at most 512 (RFC 5321 §4.5.3.1.5); at most 100
   * lines.
   */
  readonly lines: readonly string[];
}

/** Octets of one line, its end included, that are worth reading: some servers say more than the RFC allows. */
const MAX_LINE = 4096;
const MAX_LINES = 100;
const MAX_TEXT = 506;
/** Replies that may lie unread: a pipelining client asks for many, and this many are more than anybody asks for. */
const MAX_REPLIES = 2000;

const LINE = /^([2-5]\d\d)(?:([ -])(.*))?$/s;

export class ReplyReader {
  #line = '';
  #lines: string[] = [];
  #code: number | undefined;
  #replies: SmtpReply[] = [];
  #nonsense: string | undefined;

  /** Never throws. After `nonsense` nothing is read any more. */
  push(chunk: Buffer): void {
    const text = chunk.toString('latin1');
    let start = 0;
    while (this.#nonsense === undefined) {
      const end = text.indexOf('\n', start);
      const piece = text.slice(start, end === -1 ? undefined : end);
      if (this.#line.length + piece.length >= MAX_LINE) this.#fail('a line of its reply is too long');
      else this.#line += piece;
      if (end === -1) return;
      this.#take();
      start = end + 1;
    }
  }

  /** The next whole reply. Those that came before nonsense are given before it is told. */
  next(): SmtpReply | undefined {
    return this.#replies.shift();
  }

  /** What is wrong with what came; undefined while nothing is. In the operator's words, and none of the server's. */
  get nonsense(): string | undefined {
    return this.#nonsense;
  }

  #take(): void {
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    if (this.#nonsense !== undefined) return;
    const problem = this.#add(line);
    if (problem !== undefined) this.#fail(problem);
  }

  /** Gives what is wrong with the line. */
  #add(line: string): string | undefined {
    const [, code, separator, text = ''] = LINE.exec(line) ?? [];
    if (code === undefined) return 'what it says is not SMTP';
    this.#code ??= Number(code);
    if (this.#code !== Number(code)) return 'the lines of its reply have different codes';
    if (this.#lines.length === MAX_LINES) return `its reply has more than ${MAX_LINES} lines`;
    this.#lines.push(printable(text));
    if (separator === '-') return undefined;
    if (this.#replies.length === MAX_REPLIES) return 'it sends replies that nobody asked for';
    this.#replies.push({ code: this.#code, lines: this.#lines });
    this.#code = undefined;
    this.#lines = [];
    return undefined;
  }

  #fail(why: string): void {
    this.#nonsense = why;
    this.#line = '';
    this.#lines = [];
  }
}

/** `octets` as Latin-1. */
function printable(octets: string): string {
  const text =
    decodeUtf8(octets.slice(0, MAX_TEXT)) ?? octets.slice(0, MAX_TEXT).replace(/[\x80-\xff]/g, '?');
  return text.replace(/[^\t\x20-\x7e\u{a0}-\u{10ffff}]/gu, '?');
}

/** Undefined if it is none; the octets of a last character that was cut in two are left out. */
function decodeUtf8(octets: string): string | undefined {
  const bytes = Buffer.from(octets, 'latin1');
  for (let cut = 0; cut <= 3; cut++) {
    const rest = bytes.subarray(0, bytes.length - cut);
    if (isUtf8(rest)) return rest.toString();
    if (octets.length < MAX_TEXT) return undefined;
  }
  return undefined;
}

/** The enhanced status code that a reply begins with, such as `5.7.8` (RFC 2034 §4); empty if it has none. */
export function enhancedCode({ lines }: SmtpReply): string {
  return /^[245]\.\d{1,3}\.\d{1,3}(?= |$)/.exec(lines[0] ?? '')?.[0] ?? '';
}

/** The extensions of an answer to EHLO: upper-case keyword → parameters (RFC 5321 §4.1.1.1). What is none is left out. */
export function extensionsIn({ lines }: SmtpReply): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const [, keyword, parameters = ''] = /^([a-z\d][a-z\d-]*)(?: +(.*))?$/i.exec(line.trimEnd()) ?? [];
    if (keyword !== undefined && !found.has(keyword.toUpperCase())) {
      found.set(keyword.toUpperCase(), parameters);
    }
  }
  return found;
}
