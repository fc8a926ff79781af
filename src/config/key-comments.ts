// What the comments at the keys of a type say, from TypeScript itself: the text that an editor shows on hovering over a key. It
// is where docs/config.md has its text from. For `generate.ts` and tests; no part of the build.

import { fileURLToPath } from 'node:url';
import { API, type Checker, type Type, type TypeReference } from 'typescript/unstable/sync';

const PROJECT = fileURLToPath(new URL('../../tsconfig.json', import.meta.url));

export interface TypeComments {
  /** The comment at a key of an exported type, '' if it has none, undefined if there is no such key. */
  of(type: string, key: string): string | undefined;
}

/** Looks into the types that a file of the project exports. Keys are written as `keyEntries` does. */
export function withKeyComments<Result>(file: URL, look: (comments: TypeComments) => Result): Result {
  const api = new API();
  try {
    const project = api.updateSnapshot({ openProjects: [PROJECT] }).getProject(PROJECT);
    const source = project?.program.getSourceFile(fileURLToPath(file));
    const module = source && project?.checker.getSymbolAtLocation(source);
    if (!project || !module) throw new Error(`${file} is no module of the project`);
    const { checker } = project;
    const exported = new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, symbol]));
    return look({
      of(name, key) {
        const symbol = exported.get(name);
        if (symbol === undefined) throw new Error(`${file} exports no ${name}`);
        return commentAt(checker, [checker.getDeclaredTypeOfSymbol(symbol)], key.split('.'));
      },
    });
  } finally {
    api.close();
  }
}

/** `types` are alternatives: the first that has the key speaks. */
function commentAt(checker: Checker, types: readonly Type[], steps: readonly string[]): string | undefined {
  const [step = '', ...rest] = steps;
  const name = step.replace(/\[\]$/, '');
  for (const type of types.flatMap((type) => alternatives(checker, type))) {
    const property = checker.getPropertyOfType(type, name);
    const inner = step === '<name>' ? inMap(checker, type) : property && checker.getTypeOfSymbol(property);
    if (inner === undefined) continue;
    if (property && rest.length === 0) return property.getDocumentationComment(checker).replaceAll('\n', ' ');
    const below = step.endsWith('[]')
      ? alternatives(checker, inner).flatMap((list) => itemsOf(checker, list))
      : [inner];
    const found = commentAt(checker, below, rest);
    if (found !== undefined) return found;
  }
  return undefined;
}

function alternatives(checker: Checker, type: Type): readonly Type[] {
  const present = checker.getNonNullableType(type) ?? type;
  return present.isUnionType() ? present.getTypes() : [present];
}

function itemsOf(checker: Checker, type: Type): readonly Type[] {
  return checker.isArrayType(type) ? checker.getTypeArguments(type as TypeReference) : [];
}

function inMap(checker: Checker, type: Type): Type | undefined {
  return checker.getIndexInfosOfType(type)[0]?.valueType;
}
