// `store`, `keys`, `control`: where Postern keeps what must last, and the socket beside it.

import { dirname, join } from 'node:path';
import { notRepeated, withPath } from '../marks.ts';
import { reshaped, section } from '../shapes.ts';
import { path, text } from '../values.ts';
import type { Written } from '../written.ts';

const WHERE = 'must be sqlite:PATH, such as sqlite:./data/postern.db';

export const storeSchema = section({
  /** Where app passwords are kept: `sqlite:` and the path of a database, made on first start. */
  url: storeUrl(),
});

/** `sqlite:` and an absolute path. It is not repeated, for the passwords in the URLs of other databases. */
function storeUrl() {
  const schema = text(WHERE, (url) => (parseStoreUrl(url) ? url : undefined)).meta({
    title: 'url',
    examples: ['sqlite:./data/postern.db'],
  });
  return notRepeated(
    withPath(schema, (url, absolute) => {
      const file = parseStoreUrl(url);
      return file === undefined ? url : `sqlite:${absolute(file)}`;
    }),
  );
}

export const keysSchema = section({
  /**
   * The selector keys: made on first start with mode 0600. Keep it out of the database’s backups, and keep it:
   * without it no app password works.
   */
  file: path('./data/keys.json'),
});

/** The path of a control socket that is not written: `completeControl` puts the right one in its place. */
const BESIDE_THE_STORE = '';

export const controlSchema = section({
  /** The Unix socket through which commands reach the running process. Default: `control.sock` beside the store. */
  socket: reshaped(
    path('./data/control.sock').optional(),
    (socket) => socket ?? BESIDE_THE_STORE,
    (socket) => socket,
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

/** Fills in where the socket is by default, and checks that it can be there. */
export function completeControl(
  config: { control: { socket: string }; store: { url: string } },
  written: Written,
): void {
  const { control, store } = config;
  if (control.socket === BESIDE_THE_STORE) {
    control.socket = join(dirname(parseStoreUrl(store.url) ?? ''), 'control.sock');
  }
  const { socket } = control;
  if (Buffer.byteLength(socket) > LONGEST_SOCKET_PATH) {
    written
      .get('socket')
      .wrong(
        `is too long as an absolute path, must have at most ${LONGEST_SOCKET_PATH} bytes as Unix sockets do`,
      );
  }
}
