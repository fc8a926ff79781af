// First step of `npm test`: the Debian packages of debian-packages.ts are there, or are installed (as root on Debian), and
// Cyrus and nullmailer are unpacked beside them and a Debian of the tests' own is made; or the run ends here with the command that would install what is missing.

import { aptGet, provide, provideAll, withFreshLists } from './apt.ts';
import { cyrusCanRun, cyrusLibraries, unpackCyrus, unpackedCyrus } from './cyrus-packages.ts';
import { DEBIAN_PACKAGES } from './debian-packages.ts';
import { makeDebianRoot } from './debian-root.ts';
import { nullmailerIsThere, unpackNullmailer } from './nullmailer-package.ts';

const serversAreThere = provideAll('The tests need', DEBIAN_PACKAGES);
if (!(provideCyrus() && provideNullmailer() && serversAreThere && makeDebianRoot())) process.exitCode = 1;

function provideCyrus(): boolean {
  if (cyrusCanRun()) return true;
  console.log(
    'The tests need Cyrus, another IMAP server behind Postern. Its packages exclude those of Dovecot.',
  );
  if (unpackedCyrus() === undefined) console.log('Unpacking them under node_modules/.cache.');
  if (!unpackCyrus(download)) {
    console.log('apt-get could not download the packages of Cyrus.');
    return false;
  }
  return cyrusCanRun() || provide(cyrusLibraries());
}

function provideNullmailer(): boolean {
  if (nullmailerIsThere()) return true;
  console.log(
    'The tests need nullmailer, a client for SMTP whose package excludes that of Postfix: unpacking it.',
  );
  const isDone = unpackNullmailer(download) && nullmailerIsThere();
  if (!isDone) console.log('apt-get could not download nullmailer.');
  return isDone;
}

function download(args: readonly string[], directory: string): boolean {
  return withFreshLists(() => aptGet(args, directory));
}
