// What a Bind, a small search and a byte of entries cost, over TLS on the client's side and in clear before one scripted directory,
// beside slapd's own proxy (back-ldap).

import { startPostern } from '../contenders/postern.ts';
import { startSlapd } from '../contenders/slapd.ts';
import type { LdapJob } from '../load/jobs.ts';
import { pause, type Run, weigh } from '../run.ts';
import { WARM } from '../site.ts';
import { startGenerator, startUpstream } from '../worker-process.ts';

const GB = 1_000_000_000;
const PEOPLE = 'ou=people,dc=example,dc=com';
/** Entries in an answer to one search, with 2.5 KB of picture in each. */
const PICTURES = 20_000;

interface Variant {
  readonly name: string;
  readonly connections: number;
  readonly concurrency: number;
  readonly binds: number;
  readonly searches: number;
  readonly base: string;
}

const VARIANTS: readonly Variant[] = [
  {
    name: 'connect, bind, unbind',
    connections: 1500,
    concurrency: 16,
    binds: 1,
    searches: 0,
    base: PEOPLE,
  },
  {
    name: '100 binds a connection',
    connections: 30,
    concurrency: 16,
    binds: 100,
    searches: 0,
    base: PEOPLE,
  },
  { name: 'small searches', connections: 8, concurrency: 8, binds: 1, searches: 3000, base: PEOPLE },
  {
    name: 'entries of 2.8 KB',
    connections: 4,
    concurrency: 2,
    binds: 1,
    searches: 2,
    base: `ou=${PICTURES},ou=pictures,dc=example,dc=com`,
  },
];

export async function ldap(run: Run): Promise<void> {
  run.note(
    'ldap: login method bind, so that a Bind is a look at the app password and a Bind upstream as Postern’s account; back-ldap passes the Bind on and decides nothing; it logs nothing (Debian’s default), has no size limit, and is otherwise on its defaults (16 threads, so that it may be busier than one core)',
  );
  await using upstream = await startUpstream('ldap');
  const { port } = upstream;
  await using postern = await startPostern(run.site, {
    protocol: 'ldap',
    config: {
      users: { defaultDomain: 'example.com', dnTemplates: [`uid={local},${PEOPLE}`] },
      upstreams: {
        upstream: {
          protocol: 'ldap',
          address: `127.0.0.1:${port}`,
          tls: 'none',
          login: { method: 'bind', dn: 'cn=postern,dc=example,dc=com', password: 'not checked' },
        },
      },
      routes: [{ users: '*@example.com', ldap: 'upstream' }],
    },
  });
  await using slapd = await startSlapd(run.site, { upstreamPort: port });
  await using generator = startGenerator();
  const both = [postern, slapd];
  const { password } = run.site;
  for (const { targets } of both) {
    const warm = {
      kind: 'ldap',
      target: targets.implicit!,
      users: WARM,
      password,
      deadline: 120_000,
    } as const;
    const connections = run.quick ? 300 : 2000;
    await generator.run({ ...warm, connections, concurrency: 16, binds: 1, searches: 5, base: PEOPLE });
    await generator.run({ ...warm, ...VARIANTS.at(-1)!, connections: 1 });
  }
  for (let round = 0; round < run.rounds; round++) {
    for (const { name: variant, ...load } of VARIANTS) {
      for (const contender of round % 2 === 0 ? both : [...both].reverse()) {
        await pause(200);
        const job: LdapJob = {
          kind: 'ldap',
          target: contender.targets.implicit!,
          users: WARM,
          password,
          deadline: 120_000,
          ...load,
          ...(run.quick && shortened(load)),
        };
        const { result, cpu, generatorCpu } = await weigh(contender, generator, job);
        const add = (metric: string, value: number) =>
          run.measurements.add({ case: 'ldap', variant, contender: contender.name, metric }, value);
        const { done, octets, wall } = result;
        if (load.base !== PEOPLE) {
          add('CPU s per GB', cpu / 1000 / (octets / GB));
          add('MB/s', octets / 1000 / wall);
        } else {
          add('CPU ms per operation', cpu / done);
          add('operations/s', (1000 * done) / wall);
        }
        add('of one core busy', cpu / wall);
        add('generator: of one core busy', generatorCpu / wall);
        run.progress(`${variant} ${contender.name}`);
      }
    }
  }
}

function shortened({ connections, searches }: { connections: number; searches: number }) {
  return connections > 10
    ? { connections: Math.ceil(connections / 10) }
    : { searches: Math.ceil(searches / 10) };
}
