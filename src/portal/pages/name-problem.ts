// What is wrong with a device's name, in the page's words.

import { readDeviceName } from '../../passwords/name.ts';
import { PasswordRefusedError } from '../../passwords/service.ts';
import { en } from '../texts.ts';

/** Undefined: it can be a name. */
export function nameProblem(typed: string): string | undefined {
  if (typeof readDeviceName(typed) === 'string') return undefined;
  const t = en.create.errors;
  const name = typed.normalize('NFC').trim();
  if (name === '') return t.nameEmpty;
  return [...name].length > 64 ? t.nameTooLong : t.nameCharacters;
}

/** What the service said of a name; undefined: its refusal is about something else. */
export function refusedName(error: unknown, typed: string): string | undefined {
  if (!(error instanceof PasswordRefusedError)) return undefined;
  if (error.reason === 'duplicate_name') return en.create.errors.nameTaken;
  if (error.reason === 'name') return nameProblem(typed) ?? en.create.errors.nameCharacters;
  return undefined;
}
