// The listeners of a config. They are changed together: what is new is bound before anything old is closed, and if one port
// cannot be had, nothing changes.

import { ConfigError } from '../lib/errors.ts';
import { Listener, type ListenerDeps, type ListenerSettings } from './listener.ts';

/** A change that can be made: everything that is new accepts connections already. One of the two is called. */
export interface PreparedChange {
  commit(): void;
  abandon(): void;
}

export class ListenerSet {
  readonly #deps: ListenerDeps;
  #listeners: Listener[] = [];
  /** They accept no more, but may have dialogues that are not over. */
  #retired: Listener[] = [];

  constructor(deps: ListenerDeps) {
    this.#deps = deps;
  }

  /** The port that each got, by name. */
  get ports(): Record<string, number> {
    return Object.fromEntries(this.#listeners.map(({ settings, port }) => [settings.name, port]));
  }

  /** Connections that have not logged in. */
  get beforeLogin(): number {
    return this.#all.reduce((sum, listener) => sum + listener.beforeLogin, 0);
  }

  /**
   * A listener whose address stays is kept, and takes the rest of its settings for new connections. Rejects with ConfigError, one
   * message for each address that cannot be listened on.
   */
  async prepare(wanted: readonly ListenerSettings[]): Promise<PreparedChange> {
    const kept = new Map<Listener, ListenerSettings>();
    const fresh: Listener[] = [];
    for (const settings of wanted) {
      const same = this.#listeners.find((listener) => isSameAddress(listener.settings, settings));
      if (same === undefined) fresh.push(new Listener(settings, this.#deps));
      else kept.set(same, settings);
    }
    const abandon = () => {
      for (const listener of fresh) {
        listener.close();
        listener.dropBeforeLogin();
      }
    };
    const problems: string[] = [];
    for (const listener of fresh) {
      await listener.listen().catch((error: unknown) => problems.push(this.#explain(listener, error)));
    }
    if (problems.length > 0) {
      abandon();
      throw new ConfigError(problems);
    }
    return { commit: () => this.#commit(kept, fresh), abandon };
  }

  /** Accepts no more, and asks every dialogue that waits for its client to say goodbye. Sessions go on. */
  close(): void {
    for (const listener of this.#all) listener.close();
  }

  /** Drops every connection that has not logged in. */
  dropBeforeLogin(): void {
    for (const listener of this.#all) listener.dropBeforeLogin();
  }

  get #all(): readonly Listener[] {
    return [...this.#listeners, ...this.#retired];
  }

  #commit(kept: ReadonlyMap<Listener, ListenerSettings>, fresh: readonly Listener[]): void {
    const { events } = this.#deps;
    for (const [listener, settings] of kept) listener.configure(settings);
    const leaving = this.#listeners.filter((listener) => !kept.has(listener));
    for (const listener of leaving) {
      listener.retire();
      events.listenerClosed(listener.settings.name, listener.settings.host, listener.port);
    }
    for (const { settings, port } of fresh) events.listening(settings.name, settings.host, port);
    this.#retired = [...this.#retired.filter(({ beforeLogin }) => beforeLogin > 0), ...leaving];
    this.#listeners = [...kept.keys(), ...fresh];
  }

  #explain(listener: Listener, error: unknown): string {
    const { name, host, port } = listener.settings;
    const ours = this.#listeners.find((other) => other.port === port);
    if (ours !== undefined && (error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      return `listener ${name}: cannot listen on ${host} port ${port}: listener ${ours.settings.name} still has it on ${ours.settings.host}; needs a restart`;
    }
    return cannotListen(`listener ${name}`, listener.settings, error);
  }
}

/** With port 0 the name tells which of several it is. */
function isSameAddress(a: ListenerSettings, b: ListenerSettings): boolean {
  return a.host === b.host && a.port === b.port && (a.port !== 0 || a.name === b.name);
}

/** Why an address cannot be listened on, in an admin's words; `key` is where it stands in the config. */
export function cannotListen(
  key: string,
  { host, port }: { readonly host: string; readonly port: number },
  error: unknown,
): string {
  const words: Record<string, string> = {
    EADDRINUSE: 'the port is taken by another process',
    EACCES: 'ports below 1024 need CAP_NET_BIND_SERVICE',
    EADDRNOTAVAIL: 'this machine does not have that address',
  };
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  return `${key}: cannot listen on ${host} port ${port}: ${words[code] ?? code}`;
}
