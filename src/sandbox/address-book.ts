// The directory behind Postern in the sandbox: an `ldapjs` server in memory, on loopback, with ten people and their photos. It has
// one account, which Postern binds as for every user, and which alone may read.

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { crc32, deflateSync } from 'node:zlib';
import ldapjs from 'ldapjs';
import { Secret } from '../lib/secret.ts';

export const BASE = 'dc=example,dc=com';
export const PEOPLE = `ou=people,${BASE}`;

export interface AddressBook extends AsyncDisposable {
  readonly port: number;
  readonly dn: string;
  readonly password: Secret;
}

const NAMES = ['Ada Lovelace', 'Alan Turing', 'Barbara Liskov', 'Claude Shannon', 'Donald Knuth'].concat([
  'Edsger Dijkstra',
  'Grace Hopper',
  'Hedy Lamarr',
  'Katherine Johnson',
  'Radia Perlman',
]);

/** What the server says of itself (RFC 4512 §5.1): ldapjs knows no extended operation, and no control that it would heed. */
const ROOT_DSE: Attributes = {
  objectclass: ['top'],
  namingcontexts: [BASE],
  supportedldapversion: ['3'],
};

type Attributes = Record<string, string | string[] | Buffer>;

/** Any free port of 127.0.0.1. */
export async function startAddressBook(): Promise<AddressBook> {
  const dn = `cn=postern,${BASE}`;
  const password = randomBytes(16).toString('hex');
  const server = ldapjs.createServer();
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  // biome-ignore lint/suspicious/noExplicitAny: ldapjs's requests and responses have no types of their own
  type Ldap = any;
  server.bind(dn, (request: Ldap, response: Ldap, next: Ldap) => {
    if (request.credentials !== password) return next(new ldapjs.InvalidCredentialsError());
    response.end();
    return next();
  });
  const entries = directory();
  server.search('', (request: Ldap, response: Ldap, next: Ldap) => {
    if (request.connection.ldap.bindDN.toString() !== dn)
      return next(new ldapjs.InsufficientAccessRightsError());
    const base = request.dn;
    if (base.toString() === '' && request.scope === 0) {
      response.attributes = response.attributes.map((attribute: string) => attribute.toLowerCase());
      if (request.filter.matches(ROOT_DSE, false)) response.send({ dn: '', attributes: ROOT_DSE });
      response.end();
      return next();
    }
    if (!entries.some((entry) => base.equals(entry.dn)))
      return next(new ldapjs.NoSuchObjectError(base.toString()));
    // ldapjs looks for them in lower case.
    response.attributes = response.attributes.map((attribute: string) => attribute.toLowerCase());
    for (const { dn: name, attributes } of entries) {
      const isBase = base.equals(name);
      // RFC 4511 §4.5.1.2: the entry itself, those right below it, all of it.
      const isInScope = [isBase, base.equals(parentOf(name)), isBase || base.parentOf(name)][request.scope];
      if (isInScope && request.filter.matches(attributes, false)) response.send({ dn: name, attributes });
    }
    response.end();
    return next();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const port = Number(new URL(server.url).port);
  return {
    port,
    dn,
    password: new Secret(password),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function directory(): { readonly dn: string; readonly attributes: Attributes }[] {
  const people = NAMES.map((name, number) => {
    const [given = '', surname = ''] = name.split(' ');
    const uid = given.toLowerCase();
    return {
      dn: `uid=${uid},${PEOPLE}`,
      attributes: {
        objectclass: ['top', 'person', 'organizationalPerson', 'inetOrgPerson'],
        uid,
        cn: name,
        givenname: given,
        sn: surname,
        mail: `${uid}@example.com`,
        telephonenumber: `+1 555 01${String(number).padStart(2, '0')}`,
        jpegphoto: photo(number),
      },
    };
  });
  return [
    { dn: BASE, attributes: { objectclass: ['top', 'domain'], dc: 'example' } },
    { dn: PEOPLE, attributes: { objectclass: ['top', 'organizationalUnit'], ou: 'people' } },
    ...people,
  ];
}

function parentOf(dn: string): string {
  return dn.slice(dn.indexOf(',') + 1);
}

/** A PNG of 48 × 48 points in shades of a colour of its own. */
function photo(number: number): Buffer {
  const size = 48;
  const rows = Array.from({ length: size }, (_, y) => {
    const points = Array.from({ length: size }, (_, x) => [
      (number * 25 + y * 2) & 255,
      (x * 5) & 255,
      255 - number * 20,
    ]);
    // A filter byte, then red, green and blue of each point.
    return Buffer.from([0, ...points.flat()]);
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  // Eight bits a colour, three colours.
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const data = deflateSync(Buffer.concat(rows));
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
