// What a TypeScript source file imports and which parts of `process` it touches, from a real parse (vite's, which vitest
// brings along: TypeScript 7 has no parser to call). Type imports count like any other.

import { parseSync } from 'vite';

export interface SourceFacts {
  /** Module specifiers as written: of import, export … from, import(), import type, import = require(). */
  readonly imports: readonly string[];
  /** Names of properties read from `process` (`env`, `exit`), however it is written. */
  readonly processUses: readonly string[];
  /** An `import()` whose argument is not a literal: it cannot be judged, so it is not allowed. */
  readonly computedImport: boolean;
}

type Node = Record<string, unknown> & { type: string };

/** Throws if `source` does not parse. */
export function sourceFacts(file: string, source: string): SourceFacts {
  const { program, errors } = parseSync(file, source, { lang: 'ts', sourceType: 'module' });
  if (errors.length > 0) throw new Error(`${file} does not parse: ${errors[0]?.message}`);
  const imports = new Set<string>();
  const processUses = new Set<string>();
  let computedImport = false;

  const visit = (node: Node): void => {
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration':
      case 'ImportExpression':
      case 'TSImportType': {
        const source = node.source as Node | null;
        if (typeof source?.value === 'string') imports.add(source.value);
        else if (source !== null) computedImport = true;
        // `import { env } from 'node:process'` is `process.env` by another name.
        if (isProcess(source?.value)) for (const name of importedNames(node)) processUses.add(name);
        break;
      }
      case 'TSExternalModuleReference':
        imports.add(String((node.expression as Node).value));
        break;
      case 'MemberExpression':
        if (isProcessObject(node.object as Node)) processUses.add(propertyName(node));
        break;
      case 'VariableDeclarator':
        // const { env } = process
        if (isProcessObject(node.init as Node | null)) {
          for (const property of ((node.id as Node).properties ?? []) as Node[]) {
            processUses.add(String((property.key as Node | undefined)?.name ?? 'env'));
          }
        }
        break;
    }
    for (const child of children(node)) visit(child);
  };
  visit(program as unknown as Node);
  return { imports: [...imports], processUses: [...processUses], computedImport };
}

function* children(node: Node): Generator<Node> {
  for (const value of Object.values(node)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item === 'object' && item !== null && typeof item.type === 'string') yield item as Node;
    }
  }
}

const isProcess = (specifier: unknown) => specifier === 'node:process' || specifier === 'process';

function isProcessObject(node: Node | null | undefined): boolean {
  if (node?.type === 'Identifier') return node.name === 'process';
  // globalThis.process
  return node?.type === 'MemberExpression' && propertyName(node) === 'process';
}

function propertyName(node: Node): string {
  const property = node.property as Node;
  return String(node.computed === true ? property.value : property.name);
}

function importedNames(node: Node): string[] {
  const specifiers = (node.specifiers ?? []) as Node[];
  return specifiers.flatMap((specifier) => {
    const imported = specifier.imported as Node | undefined;
    return imported === undefined ? [] : [String(imported.name)];
  });
}
