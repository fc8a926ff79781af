// What follows DATA (RFC 5321 §4.1.1.4, §4.5.2), checked byte by byte before it goes upstream. Pure, no I/O.
//
// The end is CR LF "." CR LF and nothing else. A server that also took LF "." LF, or CR "." CR, or CR LF "." CR CR LF, for the
// end would see a second message in what is one here (SMTP smuggling). So what goes upstream has only lines that end in CR LF,
// no other CR or LF, no NUL, and its end is the one that was found. Dots stay doubled as they came: the form on the wire is the
// same on both sides.
//
// Bytes that could turn out to be an end, or a bare CR, are kept until the next ones are there: never more than two.

export type NewlinePolicy = 'refuse' | 'normalise';

/** What makes data unfit to be sent on. */
export type DataFault = 'bare_newline' | 'nul';

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

const NOTHING = Buffer.alloc(0);
const CRLF = Buffer.from('\r\n');
const ONE_DOT = Buffer.from('.');

/** Where in a line the next byte is. Numbers, because this is asked for every line. */
const LINE_START = 0;
/** The line began behind a CR or LF that was made CR LF: to the client its dot is no dot of ours. */
const MADE_START = 1;
const TEXT = 2;
const AFTER_CR = 3;
const AFTER_DOT = 4;
const AFTER_DOT_CR = 5;

/** Octets that `looksLikeWrongEnd` wants of what came last. */
export const LONGEST_WRONG_END = 12;

/**
 * Whether a sender may believe that it has ended the data: a dot alone between line ends of some kind, and perhaps its QUIT. That it is not
 * the end is the scanner's word. What may yet become the right end, CR LF "." CR, is no wrong one.
 */
export function looksLikeWrongEnd(tail: Buffer): boolean {
  const text = tail.toString('latin1');
  return /[\r\n]\.[\r\n]{1,3}(?:QUIT[\r\n]{0,2})?$/i.test(text) && !text.endsWith('\r\n.\r');
}

export class DataScanner {
  /** Of the last push: what may go upstream. With the end in it, it ends in CR LF "." CR LF (or is "." CR LF alone). */
  out: Buffer = NOTHING;
  /** Of the last push: what came behind the end. */
  rest: Buffer = NOTHING;
  /** Once set, what comes is not to be sent on, and only its end matters. */
  fault: DataFault | undefined;
  readonly #normalise: boolean;
  #state: number = LINE_START;
  #held: Buffer = NOTHING;

  constructor(policy: NewlinePolicy) {
    this.#normalise = policy === 'normalise';
  }

  /** Takes the next bytes and sets `out`, `rest` and `fault`. True: the end was among them. */
  push(bytes: Buffer): boolean {
    const chunk = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = NOTHING;
    const text = new Text(chunk);
    const length = chunk.length;
    let pieces: Buffer[] | undefined;
    let from = 0;
    let state = this.#state;
    let i = 0;
    while (i < length) {
      if (state === TEXT) {
        i = text.toControl(i);
        // The end of a line as nearly all are, and a next one that begins with a letter.
        while (chunk[i] === CR && chunk[i + 1] === LF && (chunk[i + 2] as number) > DOT) {
          i = text.toControl(i + 3);
        }
        if (i === length) break;
      }
      const byte = chunk[i] as number;
      switch (state) {
        case AFTER_CR:
          if (byte === LF) {
            state = LINE_START;
            i++;
          } else {
            // The CR was bare. This byte is looked at again.
            if (this.#normalise) {
              pieces ??= [];
              pieces.push(chunk.subarray(from, i - 1), CRLF);
              from = i;
            } else this.fault ??= 'bare_newline';
            state = this.#normalise ? MADE_START : TEXT;
          }
          continue;
        case AFTER_DOT:
          if (byte === CR) {
            state = AFTER_DOT_CR;
            i++;
            continue;
          }
          if (byte !== LF) {
            // A doubled dot, or one that should have been doubled: the upstream takes it away, whatever follows.
            state = TEXT;
            continue;
          }
          break;
        case AFTER_DOT_CR:
          if (byte === LF) {
            this.#state = LINE_START;
            this.out = gathered(pieces, chunk.subarray(from, i + 1));
            this.rest = chunk.subarray(i + 1);
            return true;
          }
          if (this.#normalise) {
            // A line that is empty but for its dot, which is taken away here.
            pieces ??= [];
            pieces.push(chunk.subarray(from, i - 2), CRLF);
            from = i;
          } else this.fault ??= 'bare_newline';
          state = this.#normalise ? MADE_START : TEXT;
          continue;
        case LINE_START:
          if (byte === DOT) {
            state = AFTER_DOT;
            i++;
            continue;
          }
          break;
        case MADE_START:
          if (byte === DOT) {
            pieces ??= [];
            pieces.push(chunk.subarray(from, i), ONE_DOT);
            from = i;
            state = TEXT;
            i++;
            continue;
          }
          break;
      }
      if (byte === CR) state = AFTER_CR;
      else if (byte === LF) {
        if (this.#normalise) {
          pieces ??= [];
          // Behind the one dot of a line, that dot goes too.
          pieces.push(chunk.subarray(from, state === AFTER_DOT ? i - 1 : i), CRLF);
          from = i + 1;
        } else this.fault ??= 'bare_newline';
        state = this.#normalise ? MADE_START : TEXT;
      } else {
        if (byte === NUL) this.fault ??= 'nul';
        state = TEXT;
      }
      i++;
    }
    const held = state === AFTER_DOT_CR ? 2 : state === AFTER_CR || state === AFTER_DOT ? 1 : 0;
    if (held > 0) {
      this.#held = Buffer.from(chunk.subarray(length - held));
      state = state === AFTER_CR ? TEXT : LINE_START;
    }
    this.#state = state;
    this.out = gathered(pieces, chunk.subarray(from, length - held));
    this.rest = NOTHING;
    return false;
  }
}

function gathered(pieces: Buffer[] | undefined, last: Buffer): Buffer {
  if (pieces === undefined) return last;
  pieces.push(last);
  return Buffer.concat(pieces);
}

/** Skips over text, four bytes at a time: this is all that most bytes of a message cost. */
class Text {
  readonly #chunk: Buffer;
  readonly #words: Int32Array;
  /** Index in the chunk of the first word. */
  readonly #first: number;

  constructor(chunk: Buffer) {
    this.#chunk = chunk;
    this.#first = -chunk.byteOffset & 3;
    const words = Math.max(0, (chunk.length - this.#first) >> 2);
    this.#words = new Int32Array(chunk.buffer, words === 0 ? 0 : chunk.byteOffset + this.#first, words);
  }

  /** The index of the first byte from `i` on that is below 0x0E (NUL, LF, CR, and a few rare ones); the length if there is none. */
  toControl(i: number): number {
    const chunk = this.#chunk;
    const words = this.#words;
    const length = chunk.length;
    let at = i;
    while (((at - this.#first) & 3) !== 0 && at < length) {
      if ((chunk[at] as number) < 0x0e) return at;
      at++;
    }
    let word = (at - this.#first) >> 2;
    while (word < words.length) {
      const four = words[word] as number;
      // A byte below 0x0E borrows when 0x0E is taken from it, and has no high bit of its own.
      if (((four - 0x0e0e0e0e) & ~four & 0x80808080) !== 0) break;
      word++;
    }
    at = Math.max(at, this.#first + word * 4);
    while (at < length && (chunk[at] as number) >= 0x0e) at++;
    return at;
  }
}
