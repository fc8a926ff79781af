// The package's copyright file, in the format of Debian's policy §12.5 (machine-readable, version 1.0). The dependencies' own
// licence files stay beside them; so does Node.js's own, with those of what it is made of.

import type { ProductionModule } from './production-modules.ts';

export function copyrightFile(modules: readonly ProductionModule[]): string {
  const stanzas = modules.map(({ path, name, version, license }) => [
    `Files: usr/lib/postern/${path}/*`,
    `Copyright: the authors of ${name} ${version}`,
    `License: ${license}`,
  ]);
  const licences = [...new Set(modules.map(({ license }) => license))]
    .filter((name) => name !== 'Apache-2.0')
    .sort();
  return [
    ['Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/', 'Upstream-Name: Postern'],
    ['Files: *', 'Copyright: the authors of Postern', 'License: Apache-2.0'],
    ['Files: usr/lib/postern/node', 'Copyright: Node.js contributors', 'License: Node.js'],
    ...stanzas,
    [
      'License: Apache-2.0',
      ' Its text is LICENSE beside this file, and on Debian /usr/share/common-licenses/Apache-2.0.',
    ],
    ...licences.map((name) => [
      `License: ${name}`,
      ' Its text is in the directories of the files that are under it.',
    ]),
    [
      'License: Node.js',
      ' Its text, and the texts for what it is made of, are LICENSE.node.gz beside this file.',
    ],
  ]
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}
