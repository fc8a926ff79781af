// The PROXY protocol's header, version 2 (HAProxy's proxy-protocol.txt §2.2), as Postern sends it to an upstream that wants
// one: before TLS, so that the upstream's log, its penalties and its access rules see the client and not Postern.

import { isIPv6 } from 'node:net';

export interface Endpoint {
  /** A canonical IP address. */
  readonly address: string;
  readonly port: number;
}

/** A client's connection to Postern. */
export interface ClientConnection {
  readonly source: Endpoint;
  /** Where the client has connected to. */
  readonly destination: Endpoint;
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const VERSION_2_LOCAL = 0x20;
const VERSION_2_PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;

/** Without a client it says LOCAL: a connection of Postern's own, such as a probe. */
export function proxyHeader(client: ClientConnection | undefined): Buffer {
  if (client === undefined) return Buffer.from([...SIGNATURE, VERSION_2_LOCAL, 0, 0, 0]);
  const { source, destination } = client;
  // One family has to do for both addresses.
  const wide = isIPv6(source.address) || isIPv6(destination.address);
  const addresses = [source, destination].flatMap(({ address }) =>
    wide ? ipv6Octets(address) : octets(address),
  );
  const ports = [source, destination].flatMap(({ port }) => [port >> 8, port & 0xff]);
  const family = wide ? TCP_OVER_IPV6 : TCP_OVER_IPV4;
  const length = addresses.length + ports.length;
  return Buffer.from([...SIGNATURE, VERSION_2_PROXY, family, 0, length, ...addresses, ...ports]);
}

function octets(ipv4: string): number[] {
  return ipv4.split('.').map(Number);
}

/** An IPv4 address as its IPv4-mapped one. */
function ipv6Octets(address: string): number[] {
  if (!isIPv6(address)) return [...new Array<number>(10).fill(0), 0xff, 0xff, ...octets(address)];
  const groups = (text: string) => (text === '' ? [] : text.split(':').flatMap(groupOctets));
  const [head = '', tail] = address.split('::');
  const left = groups(head);
  const right = groups(tail ?? '');
  return [...left, ...new Array<number>(16 - left.length - right.length).fill(0), ...right];
}

/** One group of 16 bits, or an IPv4 address at the end. */
function groupOctets(group: string): number[] {
  if (group.includes('.')) return octets(group);
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & 0xff];
}
