// `node test/load/one-hand.ts [--seconds 30] [--source 48|56|24|any] [--says octet|line|hello|nothing] [--connections 2200] [--reopen 200]`:
// somebody with one network and as many addresses as it has, against the real program: each connection comes from another address
// (told by a PROXY header), says one octet, a line, a ClientHello or nothing, and comes back when it is closed. Meanwhile somebody of
// another network logs in on a new connection, fifty times. Prints how many of those got in, and what it took them. Ends with 1 if fewer
// than 99 of 100 did.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { parseArgs } from 'node:util';
import { createPki } from '../support/pki.ts';
import { freePort } from '../support/ports.ts';
import { startPostern } from '../support/postern.ts';
import { startScriptedImapUpstream } from '../support/scripted-imap-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    source: { type: 'string', default: '48' },
    says: { type: 'string', default: 'octet' },
    connections: { type: 'string', default: '2200' },
    reopen: { type: 'string', default: '200' },
  },
});
const seconds = Number(values.seconds);
const hex = (n: number) => n.toString(16);
const SOURCES: Record<string, (n: number) => string> = {
  48: (n) => `2001:db8:66:${hex(n % 65_536)}::1`,
  56: (n) => `2001:db8:66:${hex(n % 256)}::1`,
  24: (n) => `203.0.113.${n % 256}`,
  any: (n) => `2001:${hex(n >> 16)}:${hex(n % 65_536)}::1`,
};
const SAYS: Record<string, string | Buffer> = {
  octet: 'a',
  line: 'a NOOP\r\n',
  hello: await clientHello(),
  nothing: '',
};
const address = SOURCES[values.source];
const words = SAYS[values.says];
if (address === undefined || words === undefined) throw new Error('there is no such flood');

await using started = new AsyncDisposableStack();
const pki = started.use(await createPki());
const ports = { imap: await freePort(), imaps: await freePort() };
const upstream = started.use(await startScriptedImapUpstream());
const postern = started.use(
  await startPostern({
    certificate: await pki.issue(),
    files: { master: ledger('mEs8 master of the flood') },
    config: `
listeners:
  - { name: imap, protocol: imap, address: "127.0.0.1:${ports.imap}", tls: starttls, proxyProtocol: ["127.0.0.0/8"] }
  - { name: imaps, protocol: imap, address: "127.0.0.1:${ports.imaps}", tls: implicit, proxyProtocol: ["127.0.0.0/8"] }
upstreams:
  script: { protocol: imap, address: "127.0.0.1:${upstream.port}", tls: none, login: { method: plain, user: postern, passwordFile: ./master } }
routes: [{ users: "*@example.com", imap: script }]
limits: {}
log: { level: warn }
`,
  }),
);
const { password } = await postern.createPassword('alice@example.com');

/** What a client of Node's says first. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connectTls({ port, host: '127.0.0.1', servername: 'localhost' }).on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  server.close();
  return hello;
}

/** The socket, once the header is said. */
function come(from: string, port: number) {
  const family = from.includes(':') ? 'TCP6' : 'TCP4';
  const to = family === 'TCP6' ? '2001:db8::2' : '192.0.2.1';
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  socket.write(`PROXY ${family} ${from} ${to} 1234 993\r\n`);
  return socket;
}

let made = 0;
let isOver = false;
const stranger = () => {
  if (isOver) return;
  made++;
  const socket = come(address(made), values.says === 'hello' ? ports.imaps : ports.imap);
  socket.resume();
  if (words.length > 0) socket.write(words);
  socket.once('close', () => setTimeout(stranger, Number(values.reopen) * (0.5 + Math.random())));
};
for (let n = 0; n < Number(values.connections); n++) setTimeout(stranger, n);
await new Promise((resolve) => setTimeout(resolve, Number(values.connections) + 500));

function logIn(n: number): Promise<boolean> {
  const socket = come(`198.51.${n % 100}.7`, ports.imaps);
  const tls = connectTls({ socket, servername: 'localhost', ca: pki.ca.cert }).on('error', () =>
    socket.destroy(),
  );
  tls.write(`a LOGIN alice ${password.replaceAll(' ', '')}\r\n`);
  let heard = '';
  return new Promise((resolve) => {
    const done = (isIn: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isIn);
    };
    const timer = setTimeout(() => done(false), 20_000);
    tls.on('data', (chunk) => {
      heard += chunk;
      if (/^a OK/m.test(heard)) done(true);
    });
    tls.on('close', () => done(false));
    socket.on('close', () => done(false));
  });
}

const times: number[] = [];
let failed = 0;
const COUNT = 100;
const waits = (seconds * 1000) / COUNT;
for (let n = 0; n < COUNT; n++) {
  const startedAt = performance.now();
  if (await logIn(n)) times.push(performance.now() - startedAt);
  else failed++;
  const left = Math.max(1, waits - (performance.now() - startedAt));
  await new Promise((resolve) => setTimeout(resolve, left));
}
isOver = true;
times.sort((a, b) => a - b);
const at = (part: number) => times[Math.floor(part * (times.length - 1))]?.toFixed(0) ?? '-';
console.log(
  `${values.connections} from ${values.source}, saying ${values.says}: ${COUNT - failed} of ${COUNT} logins got in; median ${at(0.5)} ms, most ${at(1)} ms; ${made} connections made`,
);
process.exitCode = failed > COUNT / 100 ? 1 : 0;
setTimeout(() => process.exit(), 3000).unref();
