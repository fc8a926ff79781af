// Reading what a form or a query sent: strings, one of each name, of a length that a page can show again.

const LONGEST = 1024;

/** The field's text; empty if there is none, or if it is no text. */
export function field(form: unknown, name: string): string {
  if (typeof form !== 'object' || form === null || !Object.hasOwn(form, name)) return '';
  const value = (form as Record<string, unknown>)[name];
  return typeof value === 'string' ? value.slice(0, LONGEST) : '';
}

/** A path with a query, in characters that `returnPath` lets through. */
export function pathWith(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString().replaceAll('*', '%2A');
  return text === '' ? path : `${path}?${text}`;
}
