// The name of an app password: the device, as its owner calls it. It is shown in tables, pages and logs, so it holds
// nothing that could make those look like something else.

const MAX_CHARACTERS = 64;
/** Controls, format and bidi characters (zero width ones too), surrogates, private use, unassigned, line separators. */
const UNPRINTABLE = /[\p{C}\u2028\u2029]/u;
/** They render as blanks or not at all, although Unicode calls them letters. */
const INVISIBLE = /[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]/u;

/** The name in NFC, trimmed, 1 to 64 characters; or what is wrong, for the person who chose it. */
export function readDeviceName(text: string): string | { readonly problem: string } {
  // Before normalising: the cost of that grows with the text, and NFC triples a character's length at most.
  if (text.length > MAX_CHARACTERS * 8) return { problem: tooLong };
  const name = text.normalize('NFC').trim();
  if (name === '') return { problem: 'a name is needed: that of the device' };
  if ([...name].length > MAX_CHARACTERS) return { problem: tooLong };
  if (UNPRINTABLE.test(name) || INVISIBLE.test(name)) {
    return { problem: 'the name holds a control, invisible or text-direction character' };
  }
  return name;
}

const tooLong = `the name is too long: at most ${MAX_CHARACTERS} characters`;
