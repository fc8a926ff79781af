// What a submitted message costs: connect over TLS, EHLO, AUTH, MAIL, RCPT, DATA, QUIT, beside nginx's mail proxy (AUTH by auth_http,
// then XCLIENT and no more understanding), before one scripted server that takes everything.

import { startNginx } from '../contenders/nginx.ts';
import { startPostern } from '../contenders/postern.ts';
import type { SmtpJob } from '../load/jobs.ts';
import { pause, type Run, weigh } from '../run.ts';
import { WARM } from '../site.ts';
import { percentile } from '../statistics.ts';
import { startGenerator, startUpstream } from '../worker-process.ts';

const MB = 1_000_000;
const SMALL = 10_000;
const LARGE = 25 * MB;
const NO_QUOTA = 1_000_000_000;
const QUOTAS = {
  messagesPerHour: NO_QUOTA,
  messagesPerDay: NO_QUOTA,
  recipientsPerHour: NO_QUOTA,
  recipientsPerDay: NO_QUOTA,
};

interface Variant {
  readonly name: string;
  readonly connections: number;
  readonly perConnection: number;
  readonly concurrency: number;
  readonly octets: number;
}

const VARIANTS: readonly Variant[] = [
  { name: 'one message a connection', connections: 1500, perConnection: 1, concurrency: 32, octets: SMALL },
  { name: '60 messages a connection', connections: 64, perConnection: 60, concurrency: 64, octets: SMALL },
  // For how long it stands still: nobody else is there to be waited for.
  { name: 'one at a time', connections: 1, perConnection: 200, concurrency: 1, octets: SMALL },
  { name: 'messages of 25 MB', connections: 15, perConnection: 2, concurrency: 2, octets: LARGE },
];

export async function smtp(run: Run): Promise<void> {
  run.note(
    'smtp: login method xclient; submission on its defaults, all of which are applied to each message, but for quotas of 10^9 messages and recipients; nginx’s proxy_buffer and all else on its defaults; wall is from the first connection to the last, at 32, 64 and 2 connections at a time; times one at a time are from MAIL to the answer to the message',
  );
  await using upstream = await startUpstream('smtp');
  const { port } = upstream;
  await using postern = await startPostern(run.site, {
    protocol: 'smtp',
    config: {
      upstreams: {
        upstream: {
          protocol: 'smtp',
          address: `127.0.0.1:${port}`,
          tls: 'none',
          login: { method: 'xclient' },
        },
      },
      routes: [
        {
          users: '*@example.com',
          smtp: 'upstream',
          submission: { perAppPassword: QUOTAS, perUser: QUOTAS },
        },
      ],
    },
  });
  await using nginx = await startNginx(run.site, { protocol: 'smtp', upstreamPort: port });
  await using generator = startGenerator();
  const both = [postern, nginx];
  const { password } = run.site;
  for (const { name, targets } of both) {
    const warm = {
      kind: 'smtp',
      target: targets.implicit!,
      users: WARM,
      password,
      deadline: 120_000,
    } as const;
    // V8 compiles what runs often, and is done with that after some ten thousand messages; nginx needs no such thing.
    const perConnection = name === 'postern' && !run.quick ? 100 : 3;
    await generator.run({ ...warm, connections: 100, perConnection, concurrency: 50, octets: SMALL });
    await generator.run({
      ...warm,
      connections: run.quick ? 100 : 1000,
      perConnection: 1,
      concurrency: 32,
      octets: SMALL,
    });
    await generator.run({ ...warm, connections: 2, perConnection: 1, concurrency: 2, octets: LARGE });
  }
  for (let round = 0; round < run.rounds; round++) {
    for (const { name: variant, ...load } of VARIANTS) {
      for (const contender of round % 2 === 0 ? both : [...both].reverse()) {
        await pause(200);
        const job: SmtpJob = {
          kind: 'smtp',
          target: contender.targets.implicit!,
          users: WARM,
          password,
          deadline: 120_000,
          ...load,
          ...(run.quick && shortened(load)),
        };
        const { result, cpu, generatorCpu } = await weigh(contender, generator, job);
        const add = (metric: string, value: number) =>
          run.measurements.add({ case: 'smtp', variant, contender: contender.name, metric }, value);
        const { done, wall, latencies } = result;
        if (load.octets === LARGE) {
          const amount = done * LARGE;
          add('CPU s per GB', cpu / 1000 / (amount / (1000 * MB)));
          add('MB/s', amount / MB / (wall / 1000));
        } else if (load.concurrency === 1) {
          for (const percent of [50, 99, 100]) {
            const metric = percent === 100 ? 'ms, longest' : `ms, p${percent}`;
            add(metric, percentile(latencies, percent));
          }
        } else {
          add('CPU ms per message', cpu / done);
          add('wall ms per message', wall / done);
          add('messages/s', (1000 * done) / wall);
        }
        if (load.concurrency > 1) {
          add('of one core busy', cpu / wall);
          add('generator: of one core busy', generatorCpu / wall);
        }
        run.progress(`${variant} ${contender.name}`);
      }
    }
  }
}

function shortened({ connections, perConnection }: { connections: number; perConnection: number }) {
  return connections > 10
    ? { connections: Math.ceil(connections / 10) }
    : { perConnection: Math.ceil(perConnection / 10) };
}
