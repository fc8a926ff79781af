// Notices when the certificate's files change, however that is done: written over, renamed, or a symbolic link on the way there
// switched (cert-manager's `..data`). It reads the two small files every few seconds rather than trust notifications,
// which network file systems and switched links do not give.
//
// A pair that does not fit is one that is half written: it is looked at again, and told of only if it stays so.

import { ConfigError } from '../lib/errors.ts';
import { makeServerTls, readTlsFiles, type ServerTls, type TlsFiles } from './tls.ts';

export interface CertificateWatchDeps {
  /** The files, one object for as long as the config holds; null: there are none. */
  readonly files: () => TlsFiles | null;
  readonly inForce: () => ServerTls;
  readonly onChanged: (next: ServerTls) => void;
  /** Once for each state of the files that cannot be used. */
  readonly onUnusable: (problem: string) => void;
}

/** Milliseconds between two looks. */
const INTERVAL = 2000;

export class CertificateWatch implements Disposable {
  readonly #deps: CertificateWatchDeps;
  /** What was wrong at the last look, if something was, and whether that was told. */
  #problem: { readonly with: string; readonly told: boolean } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isDisposed = false;

  constructor(deps: CertificateWatchDeps) {
    this.#deps = deps;
  }

  start(): void {
    if (this.#isDisposed) return;
    this.#timer = setTimeout(() => void this.look().finally(() => this.start()), INTERVAL).unref();
  }

  /** What happens at each interval. Never rejects. */
  async look(): Promise<void> {
    const { files, inForce, onChanged } = this.#deps;
    const looked = files();
    if (looked === null) return;
    let digest = 'unreadable';
    try {
      const contents = await readTlsFiles(looked);
      // The config was changed meanwhile: these are yesterday's files.
      if (files() !== looked || this.#isDisposed) return;
      digest = contents.digest;
      const next = digest === inForce().digest ? undefined : makeServerTls(contents);
      this.#problem = undefined;
      if (next !== undefined) onChanged(next);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#notice(digest, error.message);
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
  }

  #notice(digest: string, message: string): void {
    const problem = `${digest} ${message}`;
    const stays = this.#problem?.with === problem;
    const told = stays && this.#problem?.told === true;
    if (stays && !told) this.#deps.onUnusable(message);
    this.#problem = { with: problem, told: stays };
  }
}
