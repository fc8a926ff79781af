// Where nullmailer is unpacked: its package excludes Postfix's.

import { join } from 'node:path';
import { isThere } from './apt.ts';
import { type AptGet, unpackedRoot, unpackPackages } from './unpacked-packages.ts';

/** The program by which nullmailer-send hands over each message. */
export const NULLMAILER_SMTP = join(unpackedRoot('nullmailer'), 'usr/lib/nullmailer/smtp');

export function nullmailerIsThere(): boolean {
  return isThere(NULLMAILER_SMTP);
}

/** False if apt-get could not. */
export function unpackNullmailer(aptGet: AptGet): boolean {
  return unpackPackages('nullmailer', ['nullmailer'], aptGet);
}
