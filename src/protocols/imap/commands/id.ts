// ID (RFC 2971): answered before login whatever it says, since an optional command never costs a login. Kept if it can be read, since it
// names the client: as much of it as is passed on, and nothing of what is said before TLS, which would be thrown away with the rest. Keys
// that begin with `x-` are dropped: Dovecot takes `x-originating-ip` from networks that it trusts, and only Postern says where a client
// comes from.

import type { Dialogue, Next } from '../dialogue.ts';
import { type Decoder, decodeIdFields, encodeIdFields, ID_BOUNDS, type IdFields } from '../wire.ts';

const OURS: IdFields = new Map([['name', 'Postern']]);

export function id(dialogue: Dialogue, tag: string, decoder: Decoder): Next {
  const fields = decoder.space() ? decodeIdFields(decoder) : undefined;
  if (fields !== undefined && decoder.atEnd() && dialogue.connection.mayLogIn)
    dialogue.clientId = kept(fields);
  dialogue.write(`* ID ${encodeIdFields(OURS)}`);
  return dialogue.reply(tag, 'OK Done');
}

/** The first fields, as many as an ID to an upstream has room for. */
function kept(fields: IdFields): IdFields {
  const some = new Map<string, string | null>();
  let octets = 0;
  for (const [key, value] of fields) {
    if (key.startsWith('x-')) continue;
    octets += Buffer.byteLength(key) + Buffer.byteLength(value ?? '');
    if (octets > ID_BOUNDS.passedOn) break;
    some.set(key, value);
  }
  return some;
}

/** What the client calls itself: name and version, at most 100 characters; null if it did not say. */
export function softwareName(fields: IdFields | undefined): string | null {
  const words = [fields?.get('name'), fields?.get('version')].filter(Boolean);
  return words.length === 0
    ? null
    : words
        .join(' ')
        .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
        .slice(0, 100);
}
