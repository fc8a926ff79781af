// The site that README and docs/ldap.md speak of, on machines of a test's own: what their blocks say is done there, word for word.

import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { builtPackages } from './built-packages.ts';
import { type DebianMachine, startDebianMachine } from './debian-machine.ts';
import { createPki } from './pki.ts';
import { type Block, blocksOf } from './runnable-blocks.ts';
import { ledger } from './secrets-ledger.ts';

const ADDRESSES = { postern: '192.0.2.10', dovecot: '192.0.2.20' } as const;
/** By which the two find each other: the names of the documents. */
const HOSTS = `127.0.0.1 localhost
${ADDRESSES.postern} mail.example.com ldap.example.com
${ADDRESSES.dovecot} imap.internal smtp.internal ldap.internal
`;

export interface DocumentedSite extends AsyncDisposable {
  readonly postern: DebianMachine;
  /** With Dovecot, Postfix and slapd. */
  readonly dovecot: DebianMachine;
  /** Does what the one block with `words` in it says. `typed` is what a `type` block is asked for. Gives what it printed. */
  follow(document: string, words: string, typed?: string): Promise<string>;
  /** Marked blocks of a document that were not followed so far, by their first lines. */
  left(document: string): string[];
  /** What Postern has printed since it was last started. */
  posternLog(): string;
}

/** Nothing of the documents is done yet: fresh machines, a certificate of a private authority for each, the package on one. */
export async function startDocumentedSite(): Promise<DocumentedSite> {
  await using started = new AsyncDisposableStack();
  const { deb } = await builtPackages();
  const pki = started.use(await createPki());
  const postern = started.use(await startDebianMachine('mail.example.com'));
  const dovecot = started.use(await startDebianMachine('imap.internal'));
  await postern.cable(`${ADDRESSES.postern}/24`, dovecot, `${ADDRESSES.dovecot}/24`);
  for (const machine of [postern, dovecot]) {
    machine.write('/etc/hosts', HOSTS);
    machine.write('/usr/local/share/ca-certificates/test.crt', readFileSync(pki.ca.certFile));
    await machine.ok('update-ca-certificates');
  }
  postern.write('/srv/postern_0_amd64.deb', readFileSync(deb));
  const front = await pki.issue({ names: ['mail.example.com', 'ldap.example.com'] });
  const back = await pki.issue({ names: ['imap.internal', 'smtp.internal', 'ldap.internal'] });
  dovecot.write('/srv/back.pem', back.cert);
  dovecot.write('/srv/back.key', back.key);

  const machines: Record<string, DebianMachine> = { postern, dovecot, directory: dovecot };
  const followed = new Set<string>();
  let log = () => '';

  /** `typed` is given on a terminal: programs ask there for passwords. */
  const type = async (machine: DebianMachine, line: string, typed: string) => {
    machine.write('/srv/line', line);
    const script = `script --quiet --return --echo never --command 'bash /srv/line' /dev/null`;
    return (await machine.sh(`(sleep 3; cat; sleep 3) | timeout 60 ${script}`, { input: typed })).stdout;
  };

  const follow = async (document: string, words: string, typed = '') => {
    const found = blocksOf(document).filter(({ mark, text }) => mark !== undefined && text.includes(words));
    if (found.length !== 1) throw new Error(`${found.length} blocks of ${document} have ${words}`);
    const { text, mark } = found[0] as Block & { mark: NonNullable<Block['mark']> };
    followed.add(text);
    const machine = machines[mark.machine]!;
    switch (mark.how) {
      case 'run': {
        const printed = await machine.ok(`set -e; cd /srv\n${text}`);
        if (mark.target !== undefined) {
          machines[mark.target.machine]!.write(mark.target.path, `${printed.trim().split('\n').at(-1)}\n`);
        }
        return printed;
      }
      case 'start':
        log = machine.start(`exec ${text}`).log;
        return '';
      case 'type': {
        let printed = '';
        for (const line of text.trim().split('\n')) {
          if (typed === '' || line.includes(words)) printed += await type(machine, line, typed);
        }
        return printed;
      }
      case 'file':
        machine.write(mark.path!, text);
        return text;
      case 'merge': {
        const before = parse(machine.read(mark.path!));
        const added = parse(text);
        machine.write(
          mark.path!,
          stringify({
            ...before,
            listeners: [...before.listeners, ...added.listeners],
            upstreams: { ...before.upstreams, ...added.upstreams },
            routes: added.routes,
          }),
        );
        return text;
      }
      default:
        throw new Error(`not to be run: ${words}`);
    }
  };

  // What a site has before it follows the documents: the private authority's certificates where its servers look for them.
  postern.write('/srv/front.pem', front.cert);
  postern.write('/srv/front.key', front.key);
  postern.write('/srv/ca.pem', pki.ca.cert);
  ledger(front.key.split('\n')[1]!);

  const whole = started.move();
  return {
    postern,
    dovecot,
    follow,
    left: (document) =>
      blocksOf(document)
        .filter(({ mark, text }) => mark !== undefined && mark.how !== 'not run' && !followed.has(text))
        .map(({ text }) => text.split('\n')[0]!),
    posternLog: () => log(),
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}
