// SMTP command lines (RFC 5321 §4.1.1, §4.1.2), as clients in the wild write them: without angle brackets, with spaces and tabs around
// every part, as Postfix takes them (measured, 3.7). None of it goes upstream: the command is written anew there, of what was read here.
// Pure; it knows octets and no policy.

import { isUtf8 } from 'node:buffer';

/** Octets of a command line, without its end (RFC 5321 §4.5.3.1.4 wants 510, and extensions add to it). */
export const MAX_COMMAND_OCTETS = 4096;
/** Octets of a path: 256 after RFC 5321 §4.5.3.1.3, more for UTF-8. */
const MAX_PATH_OCTETS = 1024;

/**
 * One character of xtext (RFC 3461 §4), as the source of a regular expression: what it stands for is printable, so that nobody who
 * decodes it finds a CR or LF. A backslash is for what RFC 6533 §3 writes instead.
 */
export const XTEXT = '(?:[!-*,-<>-~]|\\+(?:[2-6][0-9A-Fa-f]|7[0-9A-Ea-e]))';

export interface CommandLine {
  /** Upper case. */
  readonly verb: string;
  /** What follows it, without the space between and spaces at the end. */
  readonly rest: string;
}

/**
 * Undefined for what is no text: control characters but TAB, or octets that are not UTF-8, but in the name that an old Windows has in
 * another code page, where they become `?`: it could not say any other.
 */
export function parseCommand(line: Buffer): CommandLine | undefined {
  for (const octet of line) {
    if ((octet < 0x20 && octet !== 0x09) || octet === 0x7f) return undefined;
  }
  const isText = isUtf8(line);
  if (!isText && !/^(EHLO|HELO)[ \t]/i.test(line.toString('latin1', 0, 5))) return undefined;
  const text = (isText ? line.toString() : line.toString('latin1').replace(/[^\t -~]/g, '?')).trim();
  const space = text.search(/[ \t]/);
  if (space === -1) return { verb: text.toUpperCase(), rest: '' };
  return { verb: text.slice(0, space).toUpperCase(), rest: text.slice(space + 1).trim() };
}

export interface PathArgument {
  /** What stands between the angle brackets, without a source route; empty for the null path. */
  readonly path: string;
  /** By upper-case keyword; null: without a value. */
  readonly parameters: ReadonlyMap<string, string | null>;
}

/**
 * `FROM:<path> [parameters]` or `TO:…`; undefined if it is not that. The path has no control character, no angle bracket and
 * no white space outside of quotes, whatever it is otherwise (around it, within the brackets, there may be some); the parameters are
 * well-formed (RFC 5321 §4.1.2) and each is there once.
 */
export function parsePathArgument(keyword: 'FROM' | 'TO', argument: string): PathArgument | undefined {
  const colon = argument.indexOf(':');
  if (colon === -1 || argument.slice(0, colon).trim().toUpperCase() !== keyword) return undefined;
  const text = argument.slice(colon + 1).trimStart();
  const isBracketed = text.startsWith('<');
  const begin = isBracketed ? behindWhiteSpace(text, 1) : 0;
  const end = pathEnd(text, begin, isBracketed);
  if (end === undefined || (!isBracketed && end === 0)) return undefined;
  const path = withoutSourceRoute(text.slice(begin, end));
  const parameters = parseParameters(text.slice(isBracketed ? behindWhiteSpace(text, end) + 1 : end));
  if (path === undefined || parameters === undefined) return undefined;
  return { path, parameters };
}

function behindWhiteSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t') at++;
  return at;
}

/** Where the path ends: at its closing bracket or the white space before that, or else at white space or the end of the text. */
function pathEnd(text: string, begin: number, isBracketed: boolean): number | undefined {
  let isQuoted = false;
  for (let i = begin; i < text.length; i++) {
    const character = text[i];
    if (isQuoted) {
      if (character === '\\') i++;
      else if (character === '"') isQuoted = false;
    } else if (character === '"') isQuoted = true;
    else if (character === '>') return isBracketed ? i : undefined;
    else if (character === '<') return undefined;
    else if (character === ' ' || character === '\t')
      return !isBracketed || text[behindWhiteSpace(text, i)] === '>' ? i : undefined;
  }
  return isBracketed || isQuoted ? undefined : text.length;
}

/** RFC 5321 §4.1.1.3: `@a,@b:` in front is taken, and means nothing. One behind another is no path. */
function withoutSourceRoute(path: string): string | undefined {
  const bare = path.startsWith('@') ? path.slice(path.indexOf(':') + 1 || path.length) : path;
  if ((bare === '' && path !== '') || bare.startsWith('@')) return undefined;
  return Buffer.byteLength(bare) <= MAX_PATH_OCTETS ? bare : undefined;
}

function parseParameters(text: string): Map<string, string | null> | undefined {
  const parameters = new Map<string, string | null>();
  if (text === '') return parameters;
  if (!/^[ \t]/.test(text)) return undefined;
  for (const word of text.split(/[ \t]+/)) {
    if (word === '') continue;
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^= ]+))?$/.exec(word);
    const keyword = match?.[1]?.toUpperCase();
    if (keyword === undefined || parameters.has(keyword)) return undefined;
    parameters.set(keyword, match?.[2] ?? null);
  }
  return parameters;
}

export interface Mailbox {
  readonly local: string;
  readonly domain: string;
}

/** Splits at the `@` before the domain; undefined if there is none, or one side is empty. */
export function parseMailbox(path: string): Mailbox | undefined {
  const at = path.lastIndexOf('@');
  const domain = path.slice(at + 1);
  return at > 0 && domain !== '' ? { local: path.slice(0, at), domain } : undefined;
}

/** Text of ASCII alone, which every server takes (RFC 6531 §3.3 has the others). */
export function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

export function looksLikeHttp(bytes: Buffer): boolean {
  return /^(GET|POST|HEAD|PUT|OPTIONS|CONNECT|DELETE|PRI) [/*h]/.test(bytes.toString('latin1', 0, 12));
}
