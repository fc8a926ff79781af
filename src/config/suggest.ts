// "Did you mean": the nearest of the words that would be right.

/** The half of a message that says what to write instead of `wrong`: the nearest of `right`, or all of them. */
export function suggestion(wrong: string, right: readonly string[]): string {
  if (right.length === 0) return 'must be left out';
  const near = nearest(wrong, right);
  if (near !== undefined) return `did you mean ${near}?`;
  return `must be ${right.length > 1 ? 'one of ' : ''}${orList(right)}`;
}

/** The word at the least edit distance, if that is at most a third of its length (case counts nothing). */
export function nearest(wrong: string, right: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const word of right) {
    const steps = editDistance(wrong.slice(0, 64).toLowerCase(), word.toLowerCase());
    if (steps < least && steps <= Math.max(1, Math.floor(word.length / 3))) {
      least = steps;
      best = word;
    }
  }
  return best;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replace = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replace, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** `a`, `a or b`, `a, b or c`. */
export function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
