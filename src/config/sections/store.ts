// `store`, `keys`, `control`: where Postern keeps what must last, and the socket beside it.

import { parsed, path, section } from '../values.ts';
import type { Written } from '../written.ts';

const WHERE = 'must be sqlite:PATH, such as sqlite:./data/postern.db';

export const storeSchema = section({
  url: parsed(WHERE, parseStoreUrl).meta({
    title: 'url',
    description: 'Where app passwords are kept: `sqlite:` and the path of a database, made on first start.',
    examples: ['sqlite:./data/postern.db'],
  }),
});

export const keysSchema = section({
  file: path('./data/keys.json').describe(
    'The selector keys: made on first start with mode 0600. Keep it out of the database’s backups, and keep it: without it no app password works.',
  ),
});

export const controlSchema = section({
  socket: path('./data/control.sock')
    .optional()
    .describe(
      'The Unix socket through which commands reach the running process. Default: `control.sock` beside the store.',
    ),
}).prefault({});

/** The path in `sqlite:PATH`; undefined for any other URL. */
export function parseStoreUrl(url: string): string | undefined {
  const match = /^sqlite:([^\0]+)$/.exec(url);
  return match && !match[1]?.startsWith(':memory:') ? match[1] : undefined;
}

/** Has a word for databases that this version cannot use. */
export function checkStore(store: Written): void {
  if (/^postgres(ql)?:/.test(store.get('url').text ?? '')) {
    store.get('url').wrong('is PostgreSQL, which this version does not support yet, must be sqlite:PATH');
  }
}

/** What the kernel takes (sun_path of unix(7), 108 with its NUL). */
const LONGEST_SOCKET_PATH = 107;

/** `socket` is the absolute path. */
export function checkControl(control: Written, socket: string): void {
  if (Buffer.byteLength(socket) > LONGEST_SOCKET_PATH) {
    control
      .get('socket')
      .wrong(
        `is too long as an absolute path, must have at most ${LONGEST_SOCKET_PATH} bytes as Unix sockets do`,
      );
  }
}
