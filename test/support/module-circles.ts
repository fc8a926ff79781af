// Circles among modules: those that import each other, directly or by way of others.

/** `imports`: by module, what it imports; what is no module of the map does not count. Each circle is sorted, and they are. */
export function circles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const reached = new Map([...imports.keys()].map((module) => [module, reach(module, imports)]));
  const found = new Map<string, string[]>();
  for (const [module, others] of reached) {
    if (!others.has(module)) continue;
    const circle = [...others].filter((other) => reached.get(other)?.has(module)).sort();
    found.set(circle.join(), circle);
  }
  return [...found.values()].sort();
}

/** All that is got to from a module in one step or more. */
function reach(start: string, imports: ReadonlyMap<string, readonly string[]>): Set<string> {
  const seen = new Set<string>();
  const ahead = [start];
  for (let module = ahead.pop(); module !== undefined; module = ahead.pop()) {
    for (const next of imports.get(module) ?? []) {
      if (seen.has(next) || !imports.has(next)) continue;
      seen.add(next);
      ahead.push(next);
    }
  }
  return seen;
}
