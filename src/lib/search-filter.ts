// Search filters as text (RFC 4515), with fields that stand for a name: `(|(uid={login})(mail={login}))`. A field is filled in
// after the text was read, so that no name can change what a filter asks: `*)(uid=*` is looked for as it is.

export type SearchFilter =
  | { readonly kind: 'and' | 'or'; readonly of: readonly SearchFilter[] }
  | { readonly kind: 'not'; readonly of: SearchFilter }
  | { readonly kind: 'present'; readonly attribute: string }
  | {
      readonly kind: 'equal' | 'greaterOrEqual' | 'lessOrEqual' | 'approximately';
      readonly attribute: string;
      readonly value: string;
    }
  /** `initial*any*any*final`; '' at either end if there is none. */
  | { readonly kind: 'substrings'; readonly attribute: string; readonly parts: readonly string[] }
  | {
      readonly kind: 'extensible';
      readonly attribute: string;
      readonly rule: string;
      readonly dnAttributes: boolean;
      readonly value: string;
    };

const MAX_CHARACTERS = 2000;
const MAX_DEPTH = 10;
const ATTRIBUTE = /^(?:[a-z][a-z0-9-]*|\d+(?:\.\d+)+)(?:;[a-z0-9-]+)*$/i;
const EXTENSIBLE = /^([^:]*)(:dn)?(?::([a-z][a-z0-9-]*|\d+(?:\.\d+)+))?:$/i;
const KINDS = { '': 'equal', '>': 'greaterOrEqual', '<': 'lessOrEqual', '~': 'approximately' } as const;

/** Undefined if the text is no filter. */
export function parseFilter(text: string): SearchFilter | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const read = readFilter(text.trim(), 0, 0);
  return read !== undefined && read.end === text.trim().length ? read.filter : undefined;
}

interface Read {
  readonly filter: SearchFilter;
  /** Where what follows begins. */
  readonly end: number;
}

function readFilter(text: string, start: number, depth: number): Read | undefined {
  if (text[start] !== '(' || depth > MAX_DEPTH) return undefined;
  const sign = text[start + 1];
  if (sign !== '&' && sign !== '|' && sign !== '!') return readItem(text, start + 1);
  const of: SearchFilter[] = [];
  let at = start + 2;
  while (text[at] === '(') {
    const read = readFilter(text, at, depth + 1);
    if (read === undefined) return undefined;
    of.push(read.filter);
    at = read.end;
  }
  if (text[at] !== ')') return undefined;
  const end = at + 1;
  const [first] = of;
  if (first === undefined) return undefined;
  if (sign !== '!') return { filter: { kind: sign === '&' ? 'and' : 'or', of }, end };
  return of.length === 1 ? { filter: { kind: 'not', of: first }, end } : undefined;
}

/** `uid=alice)` */
function readItem(text: string, start: number): Read | undefined {
  const close = text.indexOf(')', start);
  if (close === -1) return undefined;
  const item = text.slice(start, close);
  const equals = item.indexOf('=');
  if (equals === -1 || item.includes('(')) return undefined;
  const filter = itemOf(item.slice(0, equals), item.slice(equals + 1));
  return filter && { filter, end: close + 1 };
}

function itemOf(left: string, right: string): SearchFilter | undefined {
  const extensible = EXTENSIBLE.exec(left);
  if (extensible !== null) {
    const [, attribute = '', dn, rule = ''] = extensible;
    const value = unescapeValue(right);
    if (value === undefined || right.includes('*')) return undefined;
    if (attribute === '' ? rule === '' : !ATTRIBUTE.test(attribute)) return undefined;
    return { kind: 'extensible', attribute, rule, dnAttributes: dn !== undefined, value };
  }
  const sign = /[<>~]$/.exec(left)?.[0] ?? '';
  const attribute = sign === '' ? left : left.slice(0, -1);
  if (!ATTRIBUTE.test(attribute)) return undefined;
  if (sign === '' && right === '*') return { kind: 'present', attribute };
  const parts = right.split('*').map(unescapeValue);
  if (parts.includes(undefined)) return undefined;
  const [value] = parts as string[];
  if (parts.length === 1) return { kind: KINDS[sign as keyof typeof KINDS], attribute, value: value ?? '' };
  if (sign !== '' || parts.slice(1, -1).includes('')) return undefined;
  return { kind: 'substrings', attribute, parts: parts as string[] };
}

/** RFC 4515 §3: `\2a` is an asterisk. Undefined for another use of a backslash, and for what is not UTF-8. */
function unescapeValue(text: string): string | undefined {
  const bytes: Buffer[] = [];
  for (const piece of text.match(/\\[0-9a-f]{2}|\\|[^\\]+/gi) ?? []) {
    if (piece === '\\') return undefined;
    bytes.push(piece.startsWith('\\') ? Buffer.from(piece.slice(1), 'hex') : Buffer.from(piece));
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes));
  } catch {
    return undefined;
  }
}

/** The names of the fields in it. */
export function filterFields(filter: SearchFilter): string[] {
  const names: string[] = [];
  mapValues(filter, (value) => {
    for (const [, name = ''] of value.matchAll(/\{([a-z]+)\}/g)) names.push(name);
    return value;
  });
  return names;
}

/** Puts the values in. A field that has none stays as it is written. */
export function fillFilter(filter: SearchFilter, fields: Readonly<Record<string, string>>): SearchFilter {
  return mapValues(filter, (value) => value.replace(/\{([a-z]+)\}/g, (field, name) => fields[name] ?? field));
}

function mapValues(filter: SearchFilter, change: (value: string) => string): SearchFilter {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return { ...filter, of: filter.of.map((one) => mapValues(one, change)) };
    case 'not':
      return { ...filter, of: mapValues(filter.of, change) };
    case 'present':
      return filter;
    case 'substrings':
      return { ...filter, parts: filter.parts.map(change) };
    default:
      return { ...filter, value: change(filter.value) };
  }
}
