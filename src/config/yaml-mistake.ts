// What is wrong with a text that is no YAML, in words for somebody who writes configurations. A parser stumbles again and again
// over what follows from one mistake, and where it stumbles is often not where the mistake is: so one line, for the first.

import { Lexer, type YAMLError } from 'yaml';

export interface YamlMistake {
  readonly offset: number;
  /** What is wrong, and what would be right. */
  readonly message: string;
}

/** The mistake behind the parser's errors; undefined if there are none. */
export function yamlMistake(text: string, errors: readonly YAMLError[]): YamlMistake | undefined {
  const [first] = [...errors].sort((a, b) => a.pos[0] - b.pos[0]);
  if (first === undefined) return undefined;
  const offset = Math.min(first.pos[0], text.length);
  // A quote or brace that is not closed runs on to where something else does not fit.
  if (/missing closing|with a [\]}]|block collections are not allowed within flow/i.test(first.message)) {
    const open = unclosed(text, offset);
    if (open !== undefined) return open;
  }
  const here = errors.filter(({ pos }) => pos[0] === first.pos[0]);
  if (here.some(({ code }) => code === 'MULTILINE_IMPLICIT_KEY')) return runOn(text, offset);
  return { offset, message: inWords(first, text, offset) };
}

const CLOSING: Readonly<Record<string, string>> = { '{': '}', '[': ']' };

/** The first quote that is never closed, or the innermost brace that is not closed when something else ends. */
function unclosed(text: string, end: number): YamlMistake | undefined {
  const open: { mark: string; offset: number }[] = [];
  let offset = 0;
  const missing = (mark: string, at: number) => ({
    offset: at,
    message: `has a ${mark} here that is not closed, must have a ${CLOSING[mark] ?? mark} at its end`,
  });
  for (const token of new Lexer().lex(text)) {
    // Marks of the lexer's own: they stand for nothing in the text.
    if (/^[\u0002\u0018\u001f\ufeff]$/.test(token) && token !== text[offset]) continue;
    const [mark = ''] = token;
    const isQuoted = mark === '"' || mark === "'";
    if (isQuoted && (token.length === 1 || !token.endsWith(mark))) return missing(mark, offset);
    const last = open.at(-1);
    if (token === '{' || token === '[') open.push({ mark: token, offset });
    else if (last && token === CLOSING[last.mark]) open.pop();
    else if (last && (token === '}' || token === ']')) return missing(last.mark, last.offset);
    offset += token.length;
    if (offset > end && open.length === 0) return undefined;
  }
  const last = open.at(-1);
  return last && missing(last.mark, last.offset);
}

/** A value that the next line continues, and then there is a colon: that line is too far in, or this one has none. */
function runOn(text: string, offset: number): YamlMistake {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const before = text.slice(start, offset);
  if (/^[\s-]*$/.test(before)) {
    const [word = ''] = text.slice(offset).split(/\s/, 1);
    return word.includes(':')
      ? { offset, message: 'has no space after a colon, must be written as key: value' }
      : { offset, message: 'has no colon after its first word, must be written as key: value' };
  }
  const column = before.search(/[^\s-]/) + 1;
  const next = /\n[ \t]*(?=[^\s#])/.exec(text.slice(offset));
  const at = offset + (next ? next.index + next[0].length : 0);
  const message = `is further in than what stands above it, must begin in column ${column} like it, or what is above has to be without a value`;
  return { offset: at, message };
}

const ELSEWHERE = 'does not begin in the column of what it belongs to, must be indented like its neighbours';

function inWords({ code, message }: YAMLError, text: string, offset: number): string {
  const character = text[offset] ?? '';
  if (text.slice(offset - 1, offset + 1) === '${')
    return 'has a variable between braces, must be in quotes there';
  if (/without - indicator/.test(message)) return ELSEWHERE;
  if (/^block scalar header/i.test(message))
    return 'has text right after | or >, must have it on the next line';
  switch (code) {
    case 'MULTIPLE_DOCS':
      return 'begins a second document here, must be one document';
    case 'TAB_AS_INDENT':
      return 'is indented by a tab, must be indented by spaces';
    case 'BAD_INDENT':
      return ELSEWHERE;
    case 'BLOCK_IN_FLOW':
      return 'has a colon in a value between braces, must have a comma before each key, and quotes around a value with a colon';
    case 'BLOCK_AS_IMPLICIT_KEY':
      return /^\s*-[^\s-]/.test(lineOf(text, offset))
        ? 'has no space after the - of a list, must have one'
        : 'has a colon in a value, must have quotes around a value with a colon';
    case 'BAD_SCALAR_START':
      return `begins with ${character}, must be in quotes`;
    case 'BAD_DQ_ESCAPE':
      return `has ${text.slice(offset, offset + 2)} in double quotes, must be between single quotes or have \\\\ for a \\`;
    case 'BAD_ALIAS':
      return `has a ${character} without a name after it, must be in quotes if it is to begin with that`;
    case 'TAG_RESOLVE_FAILED':
    case 'MULTIPLE_TAGS':
      return 'has a tag (a word that begins with !), must be in quotes if it is to begin with that';
    case 'MULTIPLE_ANCHORS':
    case 'ALIAS_PROPS':
    case 'BAD_PROP_ORDER':
      return 'has a second anchor, or one in the wrong place, must have one & before a value at most';
    case 'BAD_DIRECTIVE':
      return 'has a directive that means nothing, must have none but %YAML 1.2';
    case 'MISSING_CHAR':
      if (character === '#') return 'has no space before the #, must have one, or quotes around the value';
      break;
    case 'UNEXPECTED_TOKEN':
      if (character === '}' || character === ']')
        return `has a ${character} that closes nothing, must be left out`;
      if (character === ',') return 'has a comma with nothing before it, must be left out';
      return 'does not belong to what stands above it, must be indented like its neighbours';
  }
  const line = message.split('\n', 1)[0] ?? '';
  return `${line.charAt(0).toLowerCase()}${line.slice(1)}, must be valid YAML`;
}

function lineOf(text: string, offset: number): string {
  const end = text.indexOf('\n', offset);
  return text.slice(text.lastIndexOf('\n', offset - 1) + 1, end === -1 ? undefined : end);
}
