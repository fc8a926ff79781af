// The files of a release below a prefix (/usr in the Debian package, a directory of its own in the tarball):
//
//   bin/postern                        sh: the program with the Node.js that is brought, whatever `node` the machine has
//   lib/postern/                       node, bin/postern.js, dist/, node_modules/, package.json
//   lib/systemd/system/postern.service
//   share/man/…, share/bash-completion/…, share/zsh/…, share/fish/…, share/doc/postern/…

import {
  chmodSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { programTree } from './command-tree.ts';
import { compile, ROOT } from './compile.ts';
import { bashCompletion, fishCompletion, zshCompletion } from './completion.ts';
import { copyrightFile } from './copyright.ts';
import { commandsPage, configPage } from './man-page.ts';
import { copyProductionModules } from './production-modules.ts';

export interface Release {
  /** Postern's own. */
  readonly version: string;
  /** `linux-x64`. */
  readonly platform: string;
  /** Seconds since the epoch: what every file is dated, so that the same source makes the same package. */
  readonly epoch: number;
}

/** Finds its Node.js beside itself, also when it is called by a symbolic link. */
const LAUNCHER = `#!/bin/sh
here=$(readlink -f -- "$0")
lib=\${here%/bin/postern}/lib/postern
exec "$lib/node" "$lib/bin/postern.js" "$@"
`;

export const NODE_PROGRAM = join(ROOT, 'node_modules', 'node', 'bin', 'node');

/** Makes them below `prefix`, which has to be empty or missing. */
export function layOut(prefix: string, { version, platform, epoch }: Release): void {
  const put = (path: string, content: string | Buffer, mode = 0o644) => {
    mkdirSync(dirname(join(prefix, path)), { recursive: true });
    writeFileSync(join(prefix, path), content);
    chmodSync(join(prefix, path), mode);
  };
  const own = (path: string) => readFileSync(join(ROOT, path));
  const gzip = (text: string | Buffer) => gzipSync(text, { level: 9 });

  put('bin/postern', LAUNCHER, 0o755);
  compile(join(prefix, 'lib/postern/dist'));
  for (const file of ['bin/postern.js', 'package.json']) put(`lib/postern/${file}`, own(file));
  const modules = copyProductionModules(join(prefix, 'lib/postern'), platform);
  copyFileSync(NODE_PROGRAM, join(prefix, 'lib/postern/node'));
  put('lib/systemd/system/postern.service', own('config/postern.service'));

  const program = programTree();
  const facts = { version, date: new Date(epoch * 1000).toISOString().slice(0, 10) };
  put('share/man/man1/postern.1.gz', gzip(commandsPage(program, facts)));
  put('share/man/man5/postern.yaml.5.gz', gzip(configPage(own('docs/config.md').toString(), facts)));
  put('share/bash-completion/completions/postern', bashCompletion(program));
  put('share/zsh/vendor-completions/_postern', zshCompletion(program));
  put('share/fish/vendor_completions.d/postern.fish', fishCompletion(program));

  const doc = 'share/doc/postern';
  for (const file of [
    'README.md',
    'SECURITY.md',
    'config/postern.example.yaml',
    'config/postern.schema.json',
  ])
    put(`${doc}/${file.replace('config/', '')}`, own(file));
  put(`${doc}/CHANGELOG.md.gz`, gzip(own('CHANGELOG.md')));
  cpSync(join(ROOT, 'docs'), join(prefix, doc, 'docs'), {
    recursive: true,
    filter: (path) => !path.endsWith('.png'),
  });
  put(`${doc}/copyright`, copyrightFile(modules));
  put(`${doc}/LICENSE.node.gz`, gzip(own(`node_modules/node/node_modules/node-${platform}/LICENSE`)));
  normalise(prefix);
}

/** Modes that do not depend on who packs under which umask. */
export function normalise(path: string): void {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return;
  chmodSync(path, stat.isDirectory() || (stat.mode & 0o111) !== 0 ? 0o755 : 0o644);
  if (stat.isDirectory()) for (const name of readdirSync(path)) normalise(join(path, name));
}
