// Which networks are never counted or blocked, and which ones an operator means. Limits know IPv6 clients by their /64, so
// an IPv6 network that is narrower stands for the /64 that it lies in.

import { NetworkSet, networkOf, parseNetwork } from '../lib/network.ts';
import { BoundedMap } from './bounded-map.ts';

/** Asking a NetworkSet costs microseconds; a client that logs in again and again should not pay them each time. */
const REMEMBERED = 10_000;

/** `exempt`: CIDR networks as `parseNetwork` gives them. The function takes a network as `networkOf` gives it. */
export function exemptNetworks(exempt: readonly string[]): (network: string) => boolean {
  const set = new NetworkSet(exempt.map(atLeastOneLine));
  if (set.isEmpty) return () => false;
  const known = new BoundedMap<boolean>(REMEMBERED);
  return (network) => {
    const before = known.touch(network);
    if (before !== undefined) return before;
    const answer = set.has(addressOf(network));
    known.set(network, answer);
    return answer;
  };
}

/** Whether a network that is counted lies in the one that an operator typed: an address, or CIDR. */
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

/** The network, or the /64 around it where it is narrower than that. */
export function atLeastOneLine(network: string): string {
  const address = addressOf(network);
  const prefix = Number(network.slice(address.length + 1));
  return address.includes(':') && prefix > 64 ? networkOf(address) : network;
}
