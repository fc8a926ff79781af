// The store of a Postern in a test's own process, without its two threads, which take longer to start than most dialogues take. Who
// watches hears of what this process revokes, soon. (With its threads it is in test/unit/store and behind every real program.)

import { openStoreOnce } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';

/** `sqlite:/absolute/path`, as in the config. */
export async function openStoreInThisThread(
  url: string,
  options: Parameters<typeof openStoreOnce>[1],
): Promise<Store> {
  const store = await openStoreOnce(url, options);
  const watchers = new Set<() => void>();
  const tell = () => {
    for (const changed of watchers) changed();
  };
  /** The same, and then it is news. */
  const telling =
    <Arguments extends unknown[], T>(change: (...args: Arguments) => Promise<T>) =>
    async (...args: Arguments): Promise<T> => {
      const outcome = await change.apply(store, args);
      setImmediate(tell);
      return outcome;
    };
  return Object.assign(store, {
    revoke: telling(store.revoke),
    setUserDisabled: telling(store.setUserDisabled),
    watch(changed: () => void) {
      watchers.add(changed);
      return () => void watchers.delete(changed);
    },
  });
}
