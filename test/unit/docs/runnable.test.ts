// Every block of the documents that says what to type or write is run by test/e2e/documents-run.test.ts, or is named here with the
// reason why not.

import { expect, test } from 'vitest';
import { blocksOf, RUN_DOCUMENTS } from '../../support/runnable-blocks.ts';

/** By the first line. */
const NOT_RUN: Record<string, string> = {
  'npm start     # a sandbox on loopback: Postern, with a mailbox, a directory and a sign-in behind it; a round trip by real clients,':
    'test/e2e/sandbox.test.ts starts it; the other is this run',
  'git clone REPOSITORY postern && cd postern': 'the tests make the package of the checkout that they are in',
  'systemctl enable --now postern':
    'wants systemd as the first process; systemd-analyze reads the unit in package-install.test.ts',
  'git clone REPOSITORY /opt/postern && cd /opt/postern':
    'wants the registry; a checkout is what all other tests run',
  'postern password list --user alice@example.com     # what there is, when, from where and by what it was last used':
    'operator-commands.test.ts and others run each; the id is a placeholder',
  'docker run --detach --name postern --read-only --stop-timeout 40 --volume postern-data:/var/lib/postern \\':
    'wants docker and the base images',
  'services:': 'wants docker',
  'journalctl -u postern -p err                        # errors alone; -p warning: warnings too':
    'wants systemd’s journal',
};

/** Blocks that are read by tests of their own in test/unit/docs, which parse them. */
const PARSED = new Set(['groups:', 'listeners:', 'hostname: mail.example.com', 'hostname: ldap.example.com']);

const blocks = RUN_DOCUMENTS.flatMap(blocksOf).filter(({ language }) =>
  /^(sh|bash|shell|yaml|ldif)$/.test(language),
);
const firstLine = (text: string) => text.split('\n')[0]!;

test('each is marked, or parsed by another test', () => {
  expect(blocks.length).toBeGreaterThan(15);
  const unmarked = blocks.filter(({ mark, language, text }) => {
    return mark === undefined && !(language === 'yaml' && PARSED.has(firstLine(text)));
  });
  expect(unmarked.map(({ document, text }) => `${document}: ${firstLine(text)}`)).toEqual([]);
});

test('each that is not run has a reason, and no other has', () => {
  const notRun = blocks.filter(({ mark }) => mark?.how === 'not run').map(({ text }) => firstLine(text));
  expect(notRun.sort()).toEqual(Object.keys(NOT_RUN).sort());
});
