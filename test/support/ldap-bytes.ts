// LDAP on the wire as the tests know it (RFC 4511), apart from Postern's own reader and writer: a small BER encoder, and a decoder
// that turns a message into a tree. For sensible bytes only; what is wrong, a test writes itself.

export const tlv = (tag: number, ...parts: (Uint8Array | string)[]): Buffer => {
  const contents = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const { length } = contents;
  if (length < 128) return Buffer.concat([Buffer.of(tag, length), contents]);
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(length);
  const first = octets.findIndex((octet) => octet > 0);
  return Buffer.concat([Buffer.of(tag, 0x80 + 4 - first), octets.subarray(first), contents]);
};

export const integer = (value: number, tag = 0x02): Buffer => {
  const octets = Buffer.alloc(5);
  octets.writeInt32BE(value, 1);
  let first = 1;
  while (first < 4 && octets[first] === 0 && (octets[first + 1] as number) < 128) first++;
  return tlv(tag, octets.subarray(first));
};

export const text = (value: Uint8Array | string) => tlv(0x04, value);
export const boolean = (value: boolean) => Buffer.of(0x01, 1, value ? 255 : 0);

export const message = (id: number, op: Uint8Array, ...controls: Uint8Array[]): Buffer =>
  tlv(0x30, integer(id), op, ...(controls.length > 0 ? [tlv(0xa0, ...controls)] : []));

export const control = (oid: string, critical: boolean, value?: Uint8Array | string): Buffer =>
  tlv(0x30, text(oid), ...(critical ? [boolean(true)] : []), ...(value === undefined ? [] : [text(value)]));

export const bind = (id: number, name: Uint8Array | string, password: string, version = 3): Buffer =>
  message(id, tlv(0x60, integer(version), text(name), tlv(0x80, password)));

export const saslBind = (id: number, mechanism: string, credentials?: string): Buffer =>
  message(
    id,
    tlv(
      0x60,
      integer(3),
      text(''),
      tlv(0xa3, text(mechanism), ...(credentials === undefined ? [] : [text(credentials)])),
    ),
  );

export interface SearchOptions {
  readonly scope?: 0 | 1 | 2;
  readonly sizeLimit?: number;
  readonly timeLimit?: number;
  readonly typesOnly?: boolean;
  readonly filter?: Uint8Array;
  readonly attributes?: readonly string[];
  readonly controls?: readonly Uint8Array[];
}

export const present = (attribute: string) => tlv(0x87, attribute);

export const search = (id: number, base: string, options: SearchOptions = {}): Buffer => {
  const { scope = 2, sizeLimit = 0, timeLimit = 0, typesOnly = false, attributes = [] } = options;
  const op = tlv(
    0x63,
    text(base),
    integer(scope, 0x0a),
    integer(0, 0x0a),
    integer(sizeLimit),
    integer(timeLimit),
    boolean(typesOnly),
    options.filter ?? present('objectClass'),
    tlv(0x30, ...attributes.map(text)),
  );
  return message(id, op, ...(options.controls ?? []));
};

export const rootDse = (id: number, options: SearchOptions = {}) => search(id, '', { scope: 0, ...options });

export const compare = (id: number, dn: string, ...controls: Uint8Array[]) =>
  message(id, tlv(0x6e, text(dn), tlv(0x30, text('cn'), text('x'))), ...controls);

export const del = (id: number, dn: string) => message(id, tlv(0x4a, dn));

export const extended = (id: number, oid: string, value?: Uint8Array): Buffer =>
  message(id, tlv(0x77, tlv(0x80, oid), ...(value === undefined ? [] : [tlv(0x81, value)])));

export const abandon = (id: number, target: number) => message(id, integer(target, 0x50));
export const unbind = (id: number) => message(id, Buffer.of(0x42, 0));

export const result = (
  id: number,
  tag: number,
  code: number,
  diagnostic = '',
  ...more: Uint8Array[]
): Buffer => message(id, tlv(tag, integer(code, 0x0a), text(''), text(diagnostic), ...more));

export const entry = (
  id: number,
  dn: string,
  attributes: Record<string, readonly (Uint8Array | string)[]> = {},
) =>
  message(
    id,
    tlv(
      0x64,
      text(dn),
      tlv(
        0x30,
        ...Object.entries(attributes).map(([type, values]) =>
          tlv(0x30, text(type), tlv(0x31, ...values.map(text))),
        ),
      ),
    ),
  );

export const done = (id: number, code = 0) => result(id, 0x65, code);

export const OIDS = {
  startTls: '1.3.6.1.4.1.1466.20037',
  notice: '1.3.6.1.4.1.1466.20036',
  whoAmI: '1.3.6.1.4.1.4203.1.11.3',
  passwordModify: '1.3.6.1.4.1.4203.1.11.1',
  cancel: '1.3.6.1.1.8',
  proxied: '2.16.840.1.113730.3.4.18',
} as const;

/** An element taken apart: constructed ones have children. */
export interface Node {
  readonly tag: number;
  readonly bytes: Buffer;
  readonly children: readonly Node[];
}

/** The length of the element at the beginning, undefined while its header is not there. */
export function elementLength(bytes: Buffer): number | undefined {
  const first = bytes[1];
  if (first === undefined) return undefined;
  if (first < 128) return 2 + first;
  const octets = first - 128;
  return bytes.length < 2 + octets ? undefined : 2 + octets + bytes.readUIntBE(2, octets);
}

export function parse(bytes: Buffer): Node {
  const length = elementLength(bytes);
  if (length === undefined || length > bytes.length) throw new Error('the element is cut off');
  const first = bytes[1] as number;
  const contents = bytes.subarray(first < 128 ? 2 : 2 + first - 128, length);
  const tag = bytes[0] as number;
  const children: Node[] = [];
  if ((tag & 0x20) !== 0) {
    for (let at = 0; at < contents.length; ) {
      children.push(parse(contents.subarray(at)));
      at += elementLength(contents.subarray(at)) as number;
    }
  }
  return { tag, bytes: contents, children };
}

const NAMES: Record<number, string> = {
  96: 'bind',
  97: 'bindResponse',
  66: 'unbind',
  99: 'search',
  100: 'entry',
  101: 'searchDone',
  115: 'reference',
  102: 'modify',
  103: 'modifyResponse',
  104: 'add',
  105: 'addResponse',
  74: 'delete',
  107: 'deleteResponse',
  108: 'modifyDn',
  109: 'modifyDnResponse',
  110: 'compare',
  111: 'compareResponse',
  80: 'abandon',
  119: 'extended',
  120: 'extendedResponse',
  121: 'intermediate',
};

/** A message as a test looks at it. */
export interface Message {
  readonly id: number;
  /** `search`, `bindResponse`, … */
  readonly op: string;
  /** Of a result. */
  readonly code?: number;
  readonly diagnostic?: string;
  /** An extended operation's. */
  readonly oid?: string;
  readonly value?: string;
  /** An entry's. */
  readonly dn?: string;
  readonly attributes?: Readonly<Record<string, readonly string[]>>;
  /** A request's: OID → [critical, value]. */
  readonly controls?: Readonly<Record<string, readonly [boolean, string]>>;
}

export function readMessage(bytes: Buffer): Message {
  const [id, op, controls] = parse(bytes).children as [Node, Node, Node | undefined];
  const parts = op.children;
  const read: Record<string, unknown> = { id: id.bytes.readUIntBE(0, id.bytes.length), op: NAMES[op.tag] };
  if (/Response$|Done$/.test(String(read.op))) {
    read.code = parts[0]?.bytes[0];
    read.diagnostic = parts[2]?.bytes.toString();
    for (const { tag, bytes } of parts.slice(3)) {
      if (tag === 0x8a) read.oid = bytes.toString();
      if (tag === 0x8b) read.value = bytes.toString();
    }
  } else if (read.op === 'entry') {
    read.dn = parts[0]?.bytes.toString();
    read.attributes = Object.fromEntries(
      (parts[1]?.children ?? []).map(({ children: [type, set] }) => [
        type?.bytes.toString(),
        set?.children.map(({ bytes }) => bytes.toString()),
      ]),
    );
  } else if (read.op === 'extended') {
    read.oid = parts[0]?.bytes.toString();
  } else if (read.op === 'bind') {
    read.dn = parts[1]?.bytes.toString();
  } else if (read.op === 'search') {
    read.dn = parts[0]?.bytes.toString();
  }
  if (controls !== undefined) {
    read.controls = Object.fromEntries(
      controls.children.map(({ children: [oid, ...rest] }) => [
        oid?.bytes.toString(),
        [rest[0]?.tag === 1, rest.find(({ tag }) => tag === 4)?.bytes.toString()],
      ]),
    );
  }
  return read as unknown as Message;
}
