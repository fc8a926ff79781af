// IMAP's syntax (RFC 3501 §9, RFC 2971), as far as a login needs it. Pure: knows bytes and no policy.
//
// White space as Dovecot has it (measured, 2.3) and one step further: wherever a space may stand, and at the end of a command, several
// may. A TAB is no space.
//
// Every method of Decoder gives undefined (or false) where the bytes are not what was asked for, and never throws.

import { isUtf8 } from 'node:buffer';

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CR = 0x0d;
const LF = 0x0a;

/** ATOM-CHAR and resp-specials less the tag's "+": everything but ( ) { SP CTL % * " \ and 8-bit octets. */
const ATOM = /^[\x21\x23\x24\x26\x27\x2b-\x5b\x5d-\x7a\x7c-\x7e]+/;

export class Decoder {
  readonly #bytes: Buffer;
  #at = 0;

  /** `bytes`: one complete frame. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** 1*ASTRING-CHAR without "+", at most 64 octets. */
  tag(): string | undefined {
    const tag = this.atom();
    return tag === undefined || tag.includes('+') || tag.length > 64 ? undefined : tag;
  }

  /** One or more. */
  space(): boolean {
    const from = this.#at;
    this.#at = this.#behindSpaces();
    return this.#at > from;
  }

  open(): boolean {
    return this.#bracket(0x28);
  }

  close(): boolean {
    return this.#bracket(0x29);
  }

  /** Whether nothing but spaces is left. */
  atEnd(): boolean {
    return this.#behindSpaces() === this.#bytes.length;
  }

  /** Everything that is left, as text, without the spaces at its end. */
  rest(): string {
    let end = this.#bytes.length;
    while (end > this.#at && this.#bytes[end - 1] === SPACE) end--;
    const text = decodeText(this.#bytes.subarray(this.#at, end));
    this.#at = this.#bytes.length;
    return text;
  }

  atom(): string | undefined {
    const match = ATOM.exec(this.#bytes.toString('latin1', this.#at, this.#at + 1024));
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match[0];
  }

  /** astring = 1*ASTRING-CHAR / string */
  astring(): string | undefined {
    return this.string() ?? this.#astringAtom();
  }

  /** nstring = string / nil; null stands for NIL. */
  nstring(): string | null | undefined {
    const string = this.string();
    if (string !== undefined) return string;
    return this.atom()?.toUpperCase() === 'NIL' ? null : undefined;
  }

  /** string = quoted / literal */
  string(): string | undefined {
    if (this.#bytes[this.#at] === QUOTE) return this.#quoted();
    if (this.#bytes[this.#at] === OPEN_BRACE) return this.#literal();
    return undefined;
  }

  /** Old clients put 8-bit octets and a `]` or `%` of a password into an atom: taken up to the next space. */
  #astringAtom(): string | undefined {
    const from = this.#at;
    let to = from;
    while (to < this.#bytes.length && isLenientAtomOctet(this.#bytes[to] as number)) to++;
    if (to === from) return undefined;
    this.#at = to;
    return decodeText(this.#bytes.subarray(from, to));
  }

  /**
   * Inside quotes `\"` and `\\` are the only escapes (RFC 3501 §9 quoted-specials). Before anything else a backslash can mean nothing but
   * itself: clients send `"EXAMPLE\alice"` as it was typed.
   */
  #quoted(): string | undefined {
    const octets: number[] = [];
    for (let at = this.#at + 1; at < this.#bytes.length; at++) {
      let octet = this.#bytes[at] as number;
      if (octet === QUOTE) {
        this.#at = at + 1;
        return decodeText(Buffer.from(octets));
      }
      if (octet === BACKSLASH) {
        const next = this.#bytes[at + 1];
        if (next === QUOTE || next === BACKSLASH) {
          octet = next;
          at++;
        }
      }
      if (octet === CR || octet === LF) return undefined;
      octets.push(octet);
    }
    return undefined;
  }

  /** A literal is its octets, backslashes and all. */
  #literal(): string | undefined {
    const head = /^\{(\d{1,9})\+?\}\r?\n/.exec(this.#bytes.toString('latin1', this.#at, this.#at + 16));
    if (head === null) return undefined;
    const from = this.#at + head[0].length;
    const to = from + Number(head[1]);
    if (to > this.#bytes.length) return undefined;
    this.#at = to;
    return decodeText(this.#bytes.subarray(from, to));
  }

  /** With spaces in front of it. */
  #bracket(octet: number): boolean {
    const at = this.#behindSpaces();
    if (this.#bytes[at] !== octet) return false;
    this.#at = at + 1;
    return true;
  }

  #behindSpaces(): number {
    let at = this.#at;
    while (this.#bytes[at] === SPACE) at++;
    return at;
  }
}

function isLenientAtomOctet(octet: number): boolean {
  return (
    octet > SPACE &&
    octet !== 0x7f &&
    octet !== QUOTE &&
    octet !== OPEN_BRACE &&
    octet !== 0x28 &&
    octet !== 0x29
  );
}

/** UTF-8 where it is valid, else Latin-1 (one character an octet): no name or secret is valid in the latter. */
export function decodeText(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}

/** What RFC 3501 forbids in a string, and what an upstream login must never see. */
export function hasForbiddenControl(text: string): boolean {
  return /[\0\r\n]/.test(text);
}

/** A quoted string. The text has no CR, LF or NUL: that was refused where it came in. */
export function quoted(text: string): string {
  if (hasForbiddenControl(text)) throw new RangeError('a quoted string cannot hold CR, LF or NUL');
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

export type IdFields = ReadonlyMap<string, string | null>;

/**
 * At most 30 pairs, keys of at most 30 octets, values of at most 1,024 (RFC 2971 §3.3). `passedOn`: octets of what an ID says to an
 * upstream: servers bound their lines, Dovecot's at 64 KiB, most others at 8.
 */
export const ID_BOUNDS = { pairs: 30, key: 30, value: 1024, passedOn: 8000 } as const;

/** id_params_list ::= "(" #(string SPACE nstring) ")" / nil (RFC 2971 §4). */
export function decodeIdFields(decoder: Decoder): IdFields | undefined {
  if (!decoder.open()) return decoder.nstring() === null ? new Map() : undefined;
  const fields = new Map<string, string | null>();
  decoder.space();
  for (let pairs = 0; !decoder.close(); ) {
    if (pairs > 0 && !decoder.space()) return undefined;
    const key = decoder.string();
    if (key === undefined || !decoder.space()) return undefined;
    const value = decoder.nstring();
    if (value === undefined) return undefined;
    // Counted, since a key that comes twice is one field.
    if (++pairs > ID_BOUNDS.pairs || Buffer.byteLength(key) > ID_BOUNDS.key) return undefined;
    if (Buffer.byteLength(value ?? '') > ID_BOUNDS.value) return undefined;
    fields.set(key.toLowerCase(), value);
  }
  return fields;
}

/** The argument of an ID command. Values with characters that a quoted string cannot hold are left out. */
export function encodeIdFields(fields: IdFields): string {
  const pairs: string[] = [];
  for (const [key, value] of fields) {
    if (/[^\x20-\x7e]/.test(key) || /[^\x20-\x7e]/.test(value ?? '')) continue;
    pairs.push(`${quoted(key)} ${value === null ? 'NIL' : quoted(value)}`);
  }
  return pairs.length === 0 ? 'NIL' : `(${pairs.join(' ')})`;
}

/** A response of a server: `tag OK [CODE args] text`, `* data`, or `+ text`. */
export interface Response {
  readonly tag: string;
  /** `OK`, `NO`, `BAD`, `BYE`, `PREAUTH`, `CAPABILITY`, …: upper case, empty for "+". */
  readonly type: string;
  /** What stands in the brackets: `CAPABILITY IMAP4rev1 …`, `UNAVAILABLE`; empty if there are none. */
  readonly code: string;
  readonly text: string;
}

export function decodeResponse(bytes: Buffer): Response | undefined {
  const line = decodeText(bytes);
  if (line === '+' || line.startsWith('+ ')) return { tag: '+', type: '', code: '', text: line.slice(2) };
  const match = /^(\S+) (\S+)(?: (.*))?$/s.exec(line);
  if (match === null) return undefined;
  const [, tag = '', type = '', rest = ''] = match;
  const code = /^\[([^\]]*)\] ?/.exec(rest);
  return {
    tag,
    type: type.toUpperCase(),
    code: code?.[1] ?? '',
    text: code ? rest.slice(code[0].length) : rest,
  };
}

/** The capabilities that a response lists, in a code or as untagged data, in its own words; undefined if it lists none. */
export function capabilityListOf(response: Response): string | undefined {
  return response.type === 'CAPABILITY' ? response.text : /^CAPABILITY (.*)$/i.exec(response.code)?.[1];
}

/** The names in such a list, upper case, since they are compared without regard to it (RFC 3501 §9). */
export function capabilitiesIn(list: string): ReadonlySet<string> {
  return new Set(list.toUpperCase().split(' ').filter(Boolean));
}
