// What an address book does, done by `ldapjs` through Postern: bind, look up, ask who it is.

import ldapjs, { type Client, type SearchOptions } from 'ldapjs';
import { PEOPLE } from './address-book.ts';

export interface AddressBookClient extends Disposable {
  bind(name: string, password: string): Promise<void>;
  /** Name and photo of everyone who has a mail address. */
  people(): Promise<{ readonly name: string; readonly photo: Buffer }[]>;
  /** RFC 4532. */
  whoAmI(): Promise<string>;
}

/** `ca` is PEM. Rejects if TLS does not come about. */
export async function openAddressBook(
  tls: 'starttls' | 'implicit',
  { port, ca }: { readonly port: number; readonly ca: string },
): Promise<AddressBookClient> {
  const tlsOptions = { ca, servername: 'localhost' };
  const scheme = tls === 'implicit' ? 'ldaps' : 'ldap';
  const client = ldapjs.createClient({ url: [`${scheme}://localhost:${port}`], tlsOptions });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  client.on('error', failed.reject);
  const ask = <T>(work: (answer: (error: Error | null, result?: T) => void) => void): Promise<T> => {
    const answered = new Promise<T>((resolve, reject) =>
      work((error, result) => (error ? reject(error) : resolve(result as T))),
    );
    return Promise.race([answered, failed.promise]);
  };
  if (tls === 'starttls')
    await ask<void>((answer) => client.starttls(tlsOptions, [], (error) => answer(error)));
  return {
    bind: (name, password) => ask<void>((answer) => client.bind(name, password, (error) => answer(error))),
    people: () => ask((answer) => search(client, answer)),
    whoAmI: () =>
      ask((answer) => client.exop('1.3.6.1.4.1.4203.1.11.3', '', (error, value) => answer(error, value))),
    [Symbol.dispose]: () => client.destroy(),
  };
}

type Person = Awaited<ReturnType<AddressBookClient['people']>>[number];

function search(client: Client, answer: (error: Error | null, result?: Person[]) => void): void {
  const options: SearchOptions = { scope: 'sub', filter: '(mail=*)', attributes: ['cn', 'jpegPhoto'] };
  client.search(PEOPLE, options, (error, found) => {
    if (error) return answer(error);
    const people: Person[] = [];
    found.on('searchEntry', ({ attributes }) => {
      const buffers = (type: string) =>
        attributes.find((one) => one.type.toLowerCase() === type)?.buffers ?? [];
      const [name] = buffers('cn');
      const [photo] = buffers('jpegphoto');
      if (name && photo) people.push({ name: name.toString(), photo });
    });
    found.once('error', answer);
    found.once('end', (result) =>
      answer(result?.status === 0 ? null : new Error(`result ${result?.status}`), people),
    );
  });
}
