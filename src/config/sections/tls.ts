// `tls`: the certificate that listeners show.

import { section } from '../shapes.ts';
import { path } from '../values.ts';
import type { Written } from '../written.ts';

export const tlsSchema = section({
  /** The certificate and its chain, PEM. */
  certificate: path('./tls/fullchain.pem'),
  /** The certificate’s private key, PEM. */
  key: path('./tls/key.pem'),
});

/** Every listener speaks TLS, from the first byte or after STARTTLS. */
export function checkTls(tls: Written, listeners: Written): void {
  if (!tls.isWritten && listeners.items().length > 0) {
    tls.wrong('is missing, must hold certificate and key: every listener needs them');
  }
}
