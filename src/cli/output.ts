// How commands print data: aligned tables for people, JSON for programs.

/** Control characters (and with them terminal escapes), bidi marks and line separators: names come from strangers. */
const UNPRINTABLE = /[\p{C}\u2028\u2029]/gu;

/** Columns aligned by spaces, a header line first. Cells hold no character that moves the cursor. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((row) => row.map((cell) => cell.replace(UNPRINTABLE, '?')));
  const widths = header.map((_, column) => Math.max(...lines.map((line) => width(line[column] ?? ''))));
  return lines
    .map((line) => line.map((cell, column) => cell + ' '.repeat(widths[column]! - width(cell))).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** What someone typed, in quotes, cut to 64 characters, for an error message: no character of it moves the cursor. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64)).replace(
    UNPRINTABLE,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** `1 app password`, `2 app passwords`. */
export function countOfPasswords(count: number): string {
  return count === 1 ? '1 app password' : `${count} app passwords`;
}

/** One JSON value, indented, and a line end. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** For programs: `2026-05-01T12:00:00.000Z`; null stays null. */
export function isoTime(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

/** For people: `2026-05-01 12:00 UTC` without its zone, which the header names; `-` for never. */
export function shortTime(at: number | null): string {
  return at === null ? '-' : new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}

/** Columns that a text takes on a terminal, nearly: East Asian wide characters take two, combining marks none. */
function width(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (/\p{M}/u.test(character)) continue;
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        character,
      )
        ? 2
        : 1;
  }
  return columns;
}
