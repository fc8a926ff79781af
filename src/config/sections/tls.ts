// `tls`: the certificate that listeners show.

import { path, section } from '../values.ts';
import type { Written } from '../written.ts';

export const tlsSchema = section({
  certificate: path('./tls/fullchain.pem').describe('The certificate and its chain, PEM.'),
  key: path('./tls/key.pem').describe('The certificate’s private key, PEM.'),
});

/** Every listener speaks TLS, from the first byte or after STARTTLS. */
export function checkTls(tls: Written, listeners: Written): void {
  if (!tls.isWritten && listeners.items().length > 0) {
    tls.wrong('is missing, must hold certificate and key: every listener needs them');
  }
}
