// TLS towards an upstream: always verified, by CA and name or by a pinned certificate. TLS 1.2 or newer.

import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { UpstreamAddress } from './address.ts';
import { type CertificateFault, PlaintextBeforeTlsError, UpstreamCertificateError } from './errors.ts';
import type { UpstreamTarget } from './target.ts';

/** Reading a CA file into a context takes milliseconds and memory: once for each upstream, not for each session. */
const contexts = new WeakMap<UpstreamTarget, SecureContext>();

/**
 * Starts TLS on a connected socket: at once for implicit TLS, after the answer to STARTTLS otherwise. Whoever read from
 * the socket before has thrown away what it read past that answer; plaintext that is still in the socket's own buffer
 * rejects with PlaintextBeforeTlsError (CVE-2021-33515). Rejects with UpstreamCertificateError if the certificate is not
 * accepted, with the socket's error if the handshake fails; the socket is then destroyed. The TLS socket has an 'error' handler
 * that does nothing, and `allowHalfOpen` if `socket` has.
 */
export function startTls(
  socket: Socket,
  upstream: UpstreamTarget,
  address: UpstreamAddress,
): Promise<TLSSocket> {
  if (socket.readableLength > 0) {
    socket.destroy();
    return Promise.reject(new PlaintextBeforeTlsError());
  }
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const name = (upstream.serverName ?? address.host).replace(/\.$/, '');
  const pinned = upstream.fingerprint === null ? undefined : canonicalFingerprint(upstream.fingerprint);
  const tls = connect({
    socket,
    secureContext: contextOf(upstream),
    host: name,
    // RFC 6066 §3: no IP addresses in SNI.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    // With a pinned certificate the comparison below decides, and nothing else.
    rejectUnauthorized: pinned === undefined,
  });
  const onError = (error: Error) => reject(certificateError(error, name) ?? error);
  tls.on('error', onError);
  tls.once('secureConnect', () => {
    const shown = tls.getPeerX509Certificate()?.fingerprint256;
    if (pinned === undefined || (shown !== undefined && canonicalFingerprint(shown) === pinned)) {
      tls.off('close', onClose);
      tls.on('error', ignoreError);
      tls.off('error', onError);
      resolve(tls);
      return;
    }
    reject(
      new UpstreamCertificateError(
        'wrong_fingerprint',
        `its certificate is not the pinned one: it has SHA-256 fingerprint ${shown}`,
      ),
    );
    tls.destroy();
  });
  const onClose = () => reject(new Error('the connection was closed during the TLS handshake'));
  tls.once('close', onClose);
  return promise;
}

function ignoreError(): void {}

function contextOf(upstream: UpstreamTarget): SecureContext {
  let context = contexts.get(upstream);
  if (context === undefined) {
    context = createSecureContext({
      minVersion: 'TLSv1.2',
      ...(upstream.ca === null ? {} : { ca: upstream.ca }),
    });
    contexts.set(upstream, context);
  }
  return context;
}

const canonicalFingerprint = (text: string) => text.replaceAll(':', '').toLowerCase();

/** OpenSSL's verification errors, by the name that Node has for them, in the operator's words. */
const FAULTS: Readonly<Record<string, readonly [CertificateFault, string]>> = {
  CERT_HAS_EXPIRED: ['expired', 'its certificate, or one that it depends on, has expired'],
  CERT_NOT_YET_VALID: ['not_yet_valid', 'its certificate, or one that it depends on, is not valid yet'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['unknown_ca', 'its certificate is self-signed and not the configured CA'],
  SELF_SIGNED_CERT_IN_CHAIN: ['unknown_ca', 'its certificate comes from an unknown CA'],
  UNABLE_TO_GET_ISSUER_CERT: ['unknown_ca', 'its certificate comes from an unknown CA'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['unknown_ca', 'its certificate comes from an unknown CA'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'unknown_ca',
    'its certificate comes from an unknown CA, or it does not send the intermediate certificates',
  ],
  CERT_SIGNATURE_FAILURE: ['unknown_ca', 'its certificate claims the configured CA but is not signed by it'],
};

function certificateError(error: NodeJS.ErrnoException, name: string): UpstreamCertificateError | undefined {
  const code = error.code ?? '';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const text = `its certificate is for another name than ${name}: ${certificateNames(error)}`;
    return new UpstreamCertificateError('wrong_name', text, { cause: error });
  }
  const known = FAULTS[code];
  if (known !== undefined) return new UpstreamCertificateError(known[0], known[1], { cause: error });
  // All that Node reports before a connection is secure and that is neither the network's nor the TLS protocol's.
  if (
    /^(CERT_|CRL_|INVALID_|PATH_LENGTH_|UNABLE_TO_|ERROR_IN_CERT_|HOSTNAME_MISMATCH|UNSPECIFIED)/.test(code)
  ) {
    return new UpstreamCertificateError('invalid', `its certificate is not accepted: ${error.message}`, {
      cause: error,
    });
  }
  return undefined;
}

/** The names that the certificate does have; a stranger wrote them, so not without end and not unprintable. */
function certificateNames(error: Error): string {
  const { cert } = error as { cert?: { subjectaltname?: string; subject?: { CN?: string } } };
  const names = cert?.subjectaltname ?? cert?.subject?.CN ?? 'no name at all';
  return String(names)
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 200);
}
