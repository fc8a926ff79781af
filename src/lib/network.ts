// IP addresses and networks: a canonical text for each, so that one client is one key in every limit.

import { BlockList, isIP, SocketAddress } from 'node:net';

/** An address in canonical text, IPv4-mapped IPv6 as IPv4, without a zone; undefined if it is not an address. */
export function canonicalAddress(text: string): string | undefined {
  const bare = text.includes('%') ? text.slice(0, text.indexOf('%')) : text;
  const family = isIP(bare);
  if (family === 0) return undefined;
  if (family === 4) return bare;
  const canonical = new SocketAddress({ address: bare, family: 'ipv6' }).address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(canonical);
  return mapped ? mapped[1] : canonical;
}

/**
 * The network that limits count an address under: the address itself for IPv4, its /64 for IPv6 (one subscriber line),
 * as text: `192.0.2.7/32`, `2001:db8:1:2::/64`.
 */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return `${address}/32`;
  return prefixOf(expandIPv6(address), 64);
}

/**
 * The networks around an address in which somebody may have many addresses, the widest first: the /24 and the address itself for IPv4;
 * for IPv6 the /48 of a site, the /56 of a household, and the /64 of a line. The last is what `networkOf` gives.
 */
export function crowdsOf(address: string): readonly string[] {
  const family = isIP(address);
  if (family === 0) return [`${address}/32`];
  if (family === 4) return [`${address.slice(0, address.lastIndexOf('.'))}.0/24`, `${address}/32`];
  const groups = expandIPv6(address);
  return [48, 56, 64].map((prefix) => prefixOf(groups, prefix));
}

/** `bits` is at most 64: so the last four groups are zeros, the longest run of them, and canonical text is theirs (RFC 5952 §4.2.3). */
function prefixOf(groups: readonly string[], bits: number): string {
  let text = '';
  let zeros = '';
  for (let n = 0; n < 4; n++) {
    const own = Math.min(16, Math.max(0, bits - 16 * n));
    const group = Number.parseInt(groups[n] as string, 16) & (0xffff << (16 - own)) & 0xffff;
    zeros += `${n === 0 ? '' : ':'}${group.toString(16)}`;
    if (group === 0) continue;
    text += zeros;
    zeros = '';
  }
  return `${text}::/${bits}`;
}

function expandIPv6(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  if (tail === undefined) return left;
  const right = tail === '' ? [] : tail.split(':');
  const zeros = new Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right];
}

/** Whether an address is this machine's own: 127.0.0.0/8 or ::1. */
export function isLoopback(address: string): boolean {
  const canonical = canonicalAddress(address);
  return canonical === '::1' || canonical?.startsWith('127.') === true;
}

/** `192.0.2.0/24` or a bare address, as canonical text; undefined if it is neither. Host bits are not checked. */
export function parseNetwork(text: string): string | undefined {
  const [base = '', prefix, extra] = text.split('/');
  if (extra !== undefined) return undefined;
  const family = isIP(base);
  if (family === 0) return undefined;
  const most = family === 4 ? 32 : 128;
  if (prefix === undefined)
    return `${canonicalAddress(base)}/${canonicalAddress(base)?.includes(':') ? 128 : 32}`;
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > most) return undefined;
  const canonical = canonicalAddress(base);
  if (family === 6 && canonical && !canonical.includes(':')) {
    return Number(prefix) >= 96 ? `${canonical}/${Number(prefix) - 96}` : undefined;
  }
  return `${canonical}/${Number(prefix)}`;
}

/** A set of networks that answers whether an address is in one of them. */
export class NetworkSet {
  /** One for each family: a BlockList takes an IPv4 address for its mapped form, which lies in `::/64`. */
  readonly #list = { ipv4: new BlockList(), ipv6: new BlockList() };
  readonly isEmpty: boolean;

  /** `networks` as `parseNetwork` gives them. */
  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0;
    for (const network of networks) {
      const [base = '', prefix = ''] = network.split('/');
      const family = familyOf(base);
      this.#list[family].addSubnet(base, Number(prefix), family);
    }
  }

  has(address: string): boolean {
    const canonical = canonicalAddress(address);
    if (canonical === undefined) return false;
    const family = familyOf(canonical);
    return this.#list[family].check(canonical, family);
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

/** Whether a network as `networkOf` gives it lies in the one that an operator typed: an address, or CIDR. */
export function networkMatcher(text: string): (network: string) => boolean {
  const parsed = parseNetwork(text);
  if (parsed === undefined) return (network) => network === text;
  const set = new NetworkSet([atLeastOneLine(parsed)]);
  return (network) => set.has(addressOf(network));
}

/** The address that a network is written with. */
export function addressOf(network: string): string {
  const slash = network.indexOf('/');
  return slash === -1 ? network : network.slice(0, slash);
}

/** The network, or the /64 around it where it is narrower than that: limits know IPv6 clients by no less. */
export function atLeastOneLine(network: string): string {
  const address = addressOf(network);
  const prefix = Number(network.slice(address.length + 1));
  return address.includes(':') && prefix > 64 ? networkOf(address) : network;
}

/** A network as `parseNetwork` gives it, by its first address: `10.1.2.3/8` is `10.0.0.0/8`. */
export function withoutHostBits(network: string): string {
  const address = addressOf(network);
  const bits = Number(network.slice(address.length + 1));
  const isIPv6Text = address.includes(':');
  // An IPv4 address at the end of an IPv6 one: nobody writes networks so.
  if (isIPv6Text && address.includes('.')) return network;
  const width = isIPv6Text ? 16 : 8;
  const words = isIPv6Text
    ? expandIPv6(address).map((group) => Number.parseInt(group, 16))
    : address.split('.').map(Number);
  const kept = words.map((word, index) => {
    const host = width - Math.min(width, Math.max(0, bits - width * index));
    return (word >> host) << host;
  });
  if (!isIPv6Text) return `${kept.join('.')}/${bits}`;
  const text = kept.map((word) => word.toString(16)).join(':');
  return `${new SocketAddress({ address: text, family: 'ipv6' }).address}/${bits}`;
}
