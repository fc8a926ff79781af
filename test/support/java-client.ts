// Clients in Java (Debian's OpenJDK): a body of `main`, with what each of them needs around it: the facts from stdin, and TLS that trusts
// the test's authority and no other.

import type { Outcome } from './child-process.ts';
import { script } from './scripts.ts';

/** `fact("name")` gives a field of `facts`, a text without quotes or backslashes; `context()` is an SSLContext, `tls()` its SSLSocketFactory. */
export function java(
  program: { readonly imports?: readonly string[]; readonly main: string },
  facts: object,
): Promise<Outcome> {
  const { imports = [], main } = program;
  const text = `
import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.*;
import java.util.regex.Pattern;
import javax.net.ssl.*;
${imports.map((name) => `import ${name};`).join('\n')}

public class Client {
  static String facts;

  static String fact(String name) {
    var found = Pattern.compile("\\"" + name + "\\":(?:\\"([^\\"]*)\\"|([^,}]*))").matcher(facts);
    if (!found.find()) throw new NoSuchElementException(name);
    return found.group(1) == null ? found.group(2) : found.group(1);
  }

  static SSLContext context() throws Exception {
    var authorities = KeyStore.getInstance("PKCS12");
    authorities.load(null, null);
    try (var pem = new FileInputStream(fact("caFile"))) {
      authorities.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
    }
    var trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(authorities);
    var context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }

  static SSLSocketFactory tls() throws Exception {
    return context().getSocketFactory();
  }

  public static void main(String[] arguments) throws Exception {
    facts = new String(System.in.readAllBytes());
${main}
  }
}
`;
  return script('java', text, facts);
}
