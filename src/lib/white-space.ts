// What keyboards, word processors, web pages and phones make of a space. It is told from text by what it means, not by how it looks:
// nobody who types or pastes a name or an app password means any of it.

/**
 * As the inside of a character class of a regular expression with the flag `u`: TAB, every space of Unicode (no-break U+00A0 and U+202F,
 * figure, en, em, thin, ideographic …), and what is shown as nothing: soft hyphen, zero-width space and joiners, marks of direction,
 * word joiner, byte order mark. No line end and no NUL: those are refused wherever they are.
 */
export const WHITE_SPACE = String.raw`\t\p{Zs}\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff`;

const ONE = new RegExp(`^[${WHITE_SPACE}]$`, 'u');

/** Without white space around it. Linear, however long the text is. All of the white space is in the BMP. */
export function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && ONE.test(text[start] as string)) start++;
  while (end > start && ONE.test(text[end - 1] as string)) end--;
  return text.slice(start, end);
}
