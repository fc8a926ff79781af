// Applications that ask a directory, through Postern to a real slapd: PHP, Java (JNDI), Apache.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApache } from '../support/apache.ts';
import { java } from '../support/java-client.ts';
import { type DirectoryAccount, ldapScript, urlOf } from '../support/ldap-clients.ts';
import { ALICE, type DirectoryChain, startPosternBeforeSlapd } from '../support/postern-before-slapd.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { PEOPLE, SERVICE } from '../support/slapd.ts';

let chain: DirectoryChain;
let alice: DirectoryAccount;
beforeAll(async () => {
  chain = await startPosternBeforeSlapd();
  alice = await chain.account('alice@example.com', ALICE);
});
afterAll(() => chain?.[Symbol.asyncDispose]());

const at = (tls: DirectoryAccount['tls']) => ({
  ...alice,
  tls,
  port: chain.ports[tls === 'implicit' ? 'ldaps' : 'ldap'],
  wrong: ledger('wrn6 appp assw rrdx'),
});

describe.each(['implicit', 'starttls'] as const)('%s TLS', (tls) => {
  test('PHP’s ldap extension: in pages, who am I, a wrong password', async () => {
    const text = `<?php
$facts = json_decode(stream_get_contents(STDIN));
ldap_set_option(null, LDAP_OPT_X_TLS_CACERTFILE, $facts->caFile);
$ldap = ldap_connect($facts->url);
ldap_set_option($ldap, LDAP_OPT_PROTOCOL_VERSION, 3);
if ($facts->tls === 'starttls') ldap_start_tls($ldap) or die(ldap_error($ldap));
ldap_bind($ldap, $facts->name, $facts->password) or die(ldap_error($ldap));
$names = [];
$cookie = '';
do {
  $page = [['oid' => LDAP_CONTROL_PAGEDRESULTS, 'iscritical' => true, 'value' => ['size' => 2, 'cookie' => $cookie]]];
  $found = ldap_search($ldap, '${PEOPLE}', '(uid=*)', ['uid'], 0, 0, 0, LDAP_DEREF_NEVER, $page) or die(ldap_error($ldap));
  foreach (ldap_get_entries($ldap, $found) as $entry) if (is_array($entry)) $names[] = $entry['uid'][0];
  ldap_parse_result($ldap, $found, $code, $dn, $message, $referrals, $controls);
  $cookie = $controls[LDAP_CONTROL_PAGEDRESULTS]['value']['cookie'];
  $pages = ($pages ?? 0) + 1;
} while ($cookie !== '');
sort($names);
echo implode(' ', $names), " in $pages pages\\n", ldap_exop_whoami($ldap), "\\n";
echo @ldap_bind($ldap, $facts->name, $facts->wrong) ? '?' : ldap_errno($ldap), "\\n";
`;
    expect(await ldapScript('php', text, at(tls))).toMatchObject({
      code: 0,
      stdout: `alice bob carol in 2 pages\ndn:${ALICE}\n49\n`,
    });
  });

  test('Java’s JNDI: in pages, and a wrong password', async () => {
    const account = at(tls);
    // The name in the certificate; libldap's trouble with `localhost` is not JNDI's.
    const facts = { ...account, url: urlOf(account).replace('127.0.0.1', 'localhost') };
    const main = `
    SSLContext.setDefault(context());
    for (var password : List.of("password", "wrong")) {
      var environment = new Hashtable<String, Object>();
      environment.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.ldap.LdapCtxFactory");
      environment.put(Context.PROVIDER_URL, fact("url"));
      var starttls = fact("tls").equals("starttls");
      if (!starttls) credentials(environment, password);
      try {
        var directory = new InitialLdapContext(environment, null);
        StartTlsResponse tls = null;
        if (starttls) {
          tls = (StartTlsResponse) directory.extendedOperation(new StartTlsRequest());
          tls.negotiate(tls());
          var credentials = new Hashtable<String, Object>();
          credentials(credentials, password);
          for (var each : credentials.entrySet()) directory.addToEnvironment(each.getKey(), each.getValue());
        }
        var names = new TreeSet<String>();
        byte[] cookie = null;
        do {
          directory.setRequestControls(new Control[] { new PagedResultsControl(2, cookie, true) });
          var found = directory.search("${PEOPLE}", "(uid=*)", new SearchControls());
          while (found.hasMore()) names.add((String) found.next().getAttributes().get("uid").get());
          for (var control : directory.getResponseControls())
            if (control instanceof PagedResultsResponseControl page) cookie = page.getCookie();
        } while (cookie != null);
        System.out.println(String.join(" ", names));
        if (tls != null) tls.close();
        directory.close();
      } catch (AuthenticationException refused) {
        System.out.println("refused");
      }
    }
  }

  static void credentials(Hashtable<String, Object> environment, String password) {
    environment.put(Context.SECURITY_AUTHENTICATION, "simple");
    environment.put(Context.SECURITY_PRINCIPAL, fact("name"));
    environment.put(Context.SECURITY_CREDENTIALS, fact(password));
`;
    const imports = ['javax.naming.*', 'javax.naming.directory.*', 'javax.naming.ldap.*'];
    expect(await java({ imports, main }, facts)).toMatchObject({
      code: 0,
      stdout: 'alice bob carol\nrefused\n',
    });
  });

  test('Apache’s mod_authnz_ldap lets in whoever has an app password', async () => {
    const { password } = await chain.postern.createPassword('nextcloud@example.com');
    await using apache = await startApache({ ...at(tls), name: SERVICE, password }, PEOPLE);
    const bob = await chain.account('bob@example.com');
    // Again and again on Apache's few connections, one after another.
    for (let round = 0; round < 5; round += 1) {
      expect(await apache.get('alice', alice.password)).toBe(200);
      expect(await apache.get('bob', alice.password)).toBe(401);
      expect(await apache.get('bob', bob.password)).toBe(200);
      expect(await apache.get('nobody', bob.password)).toBe(401);
    }
    await expect.poll(() => apache.log()).toContain('auth_ldap authenticate: accepting alice');
  });
});
