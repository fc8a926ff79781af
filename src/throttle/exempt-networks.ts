// Which networks are never counted or blocked. Limits know IPv6 clients by their /64, so an exempt IPv6 network that
// is narrower exempts the /64 that it lies in.

import { addressOf, atLeastOneLine, NetworkSet } from '../lib/network.ts';
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
