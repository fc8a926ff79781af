// Finds where an IMAP command or response ends, on any split of the bytes. Pure: bytes go in, frames come out.
//
//   a1 LOGIN {5}CRLF          → literal announced (RFC 3501 §4.3): the server says "+", or refuses
//   alice {8+}CRLF            → non-synchronising literal (RFC 7888): the bytes come unasked
//   password CRLF             → command complete
//
// Nothing is buffered beyond the bounds: a line, a literal or a command that would pass them ends the framing for good,
// since what follows could not be told from data.

export interface FrameBounds {
  /** Octets of one line, its CRLF not counted. ID may have its values in one line, and is bounded by `command` alone. */
  readonly line: number;
  /** Octets of one literal. */
  readonly literal: number;
  /** Octets of all the lines and literals of one command. */
  readonly command: number;
}

/** RFC 2971 §3.3 lets ID have 30 pairs with values of 1,024 octets, each of which may be quoted or a literal. */
export const CLIENT_BOUNDS: FrameBounds = { line: 8192, literal: 16_384, command: 65_536 };

/**
 * Before TLS, where there is nothing to do but to turn it on: as much as an ID of 30 pairs has, without escapes, and no literal of a login.
 */
export const CLEAR_BOUNDS: FrameBounds = { line: 8192, literal: 1024, command: 34_816 };

export type Frame =
  /** A whole command or response: literals inline behind their `{n}CRLF`, the last CRLF taken off. */
  | { readonly kind: 'complete'; readonly bytes: Buffer }
  /** The peer waits for our word before it sends a literal: `accept()` or `refuse()`. `bytes` is what came so far. */
  | { readonly kind: 'literal'; readonly bytes: Buffer; readonly size: number }
  /** A synchronising literal over the bounds: already refused, framing goes on. */
  | { readonly kind: 'too-large'; readonly bytes: Buffer }
  /** A bound was passed where the end can't be found any more: the connection has to close. */
  | { readonly kind: 'overflow'; readonly what: 'line' | 'literal' };

const LF = 0x0a;
const CR = 0x0d;
const EMPTY = Buffer.alloc(0);
/** Octets at the end of a line that are searched for a literal's head. */
const LONGEST_LITERAL_HEAD = 40;

export class Framer {
  readonly #bounds: FrameBounds;
  readonly #asksForLiterals: boolean;
  #buffer: Buffer = EMPTY;
  /** The unread bytes are #buffer[#start, #end). */
  #start = 0;
  #end = 0;
  /** Where the line that is being looked at begins, and how far its end was looked for. */
  #line = 0;
  #scanned = 0;
  #literalLeft = 0;
  #announced = 0;
  #overflow: Frame | undefined;

  /** `announced`: the peer waits for "+" before a `{n}` literal (a client does). `inline`: it does not (a server). */
  constructor(literals: 'announced' | 'inline', bounds: FrameBounds = CLIENT_BOUNDS) {
    this.#asksForLiterals = literals === 'announced';
    this.#bounds = bounds;
  }

  /** Octets that no frame has taken yet. */
  get unread(): number {
    return this.#end - this.#start;
  }

  push(chunk: Buffer): void {
    if (this.#overflow !== undefined) return;
    if (this.unread === 0) {
      this.#reset(chunk, 0, chunk.length);
      return;
    }
    if (this.#end + chunk.length > this.#buffer.length) this.#grow(chunk.length);
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }

  /** The next frame, or undefined until more bytes come. */
  command(): Frame | undefined {
    while (this.#overflow === undefined) {
      if (this.#announced > 0) return undefined;
      if (this.#literalLeft > 0 && !this.#passLiteral()) return undefined;
      const lf = this.#findLineEnd(this.#isId() ? this.#bounds.command : this.#bounds.line);
      if (lf === undefined) break;
      const text = this.#buffer.subarray(this.#line, this.#endOfText(lf));
      const literal = announcedLiteral(text);
      if (literal === undefined) return { kind: 'complete', bytes: this.#take(lf) };
      const end = lf + 1;
      const synchronising = this.#asksForLiterals && !literal.nonSynchronising;
      if (literal.size > this.#bounds.literal || end - this.#start + literal.size > this.#bounds.command) {
        if (!synchronising) return this.#stop('literal');
        return { kind: 'too-large', bytes: this.#take(lf) };
      }
      this.#line = end;
      this.#scanned = end;
      if (synchronising) {
        // A size of 0 is announced too; +1 tells "announced, empty" from "nothing announced".
        this.#announced = literal.size + 1;
        return { kind: 'literal', bytes: this.#buffer.subarray(this.#start, end), size: literal.size };
      }
      this.#literalLeft = literal.size;
    }
    return this.#overflow;
  }

  /** The next line as it is, whatever it ends in, of at most so many octets: for SASL answers. */
  textLine(octets: number): Frame | undefined {
    if (this.#overflow !== undefined) return this.#overflow;
    const lf = this.#findLineEnd(octets);
    return lf === undefined ? this.#overflow : { kind: 'complete', bytes: this.#take(lf) };
  }

  /** The announced literal may come. */
  accept(): void {
    this.#literalLeft = this.#announced - 1;
    this.#announced = 0;
  }

  /** The announced literal is not wanted: what came of the command is dropped. */
  refuse(): void {
    this.#announced = 0;
    this.#reset(this.#buffer, this.#line, this.#end);
  }

  /** Gives all unread bytes and forgets them. */
  takeRest(): Buffer {
    const rest = this.#buffer.subarray(this.#start, this.#end);
    this.#announced = 0;
    this.#literalLeft = 0;
    this.#reset(EMPTY, 0, 0);
    return rest;
  }

  #passLiteral(): boolean {
    const passed = Math.min(this.#literalLeft, this.#end - this.#line);
    this.#line += passed;
    this.#scanned = this.#line;
    this.#literalLeft -= passed;
    return this.#literalLeft === 0;
  }

  /** Index of the LF that ends the current line; undefined if it has not come, or (with #overflow set) never may. */
  #findLineEnd(octets: number): number | undefined {
    const found = this.#buffer.subarray(this.#scanned, this.#end).indexOf(LF);
    const lf = found === -1 ? undefined : this.#scanned + found;
    this.#scanned = lf ?? this.#end;
    // One octet more than the bound may be a CR whose LF is still to come.
    const length = (lf === undefined ? this.#end - 1 : this.#endOfText(lf)) - this.#line;
    if (length > octets || this.#line - this.#start + length > this.#bounds.command) {
      this.#stop('line');
      return undefined;
    }
    return lf;
  }

  #isId(): boolean {
    const head = this.#buffer.toString('latin1', this.#start, Math.min(this.#end, this.#start + 80));
    return /^[^ \r\n]+ +ID /i.test(head);
  }

  #endOfText(lf: number): number {
    return lf > this.#line && this.#buffer[lf - 1] === CR ? lf - 1 : lf;
  }

  #take(lf: number): Buffer {
    const bytes = this.#buffer.subarray(this.#start, this.#endOfText(lf));
    this.#reset(this.#buffer, lf + 1, this.#end);
    return bytes;
  }

  #stop(what: 'line' | 'literal'): Frame {
    this.#reset(EMPTY, 0, 0);
    this.#overflow = { kind: 'overflow', what };
    return this.#overflow;
  }

  #reset(buffer: Buffer, start: number, end: number): void {
    // A few octets must not keep all that came with them.
    const isLittle = (end - start) * 2 < buffer.length;
    this.#buffer = start === end ? EMPTY : isLittle ? Buffer.from(buffer.subarray(start, end)) : buffer;
    this.#start = start === end || isLittle ? 0 : start;
    this.#end = start === end ? 0 : this.#start + (end - start);
    this.#line = this.#start;
    this.#scanned = this.#start;
  }

  /** Room for `more` octets. Doubles, so that a peer that trickles does not make us copy all it sent each time. */
  #grow(more: number): void {
    const used = this.unread;
    const grown = Buffer.allocUnsafeSlow(
      Math.max(Math.min(used * 2, this.#bounds.command), used + more, 512),
    );
    this.#buffer.copy(grown, 0, this.#start, this.#end);
    this.#line -= this.#start;
    this.#scanned -= this.#start;
    this.#buffer = grown;
    this.#start = 0;
    this.#end = used;
  }
}

/** `{n}` or `{n+}` at the end of a line. A size beyond 2^53 comes out inexact, and is far over any bound. */
function announcedLiteral(line: Buffer): { size: number; nonSynchronising: boolean } | undefined {
  if (line[line.length - 1] !== 0x7d) return undefined;
  const end = line.toString('latin1', Math.max(0, line.length - LONGEST_LITERAL_HEAD));
  const match = /\{(\d+)(\+?)\}$/.exec(end);
  if (match) return { size: Number(match[1]), nonSynchronising: match[2] === '+' };
  // More digits than a literal can have: where they begin does not matter.
  const onlyDigits = end.length === LONGEST_LITERAL_HEAD && /^\d+\+?\}$/.test(end);
  return onlyDigits ? { size: Number.POSITIVE_INFINITY, nonSynchronising: true } : undefined;
}
