// The least that a login proxy in Node.js can be: TLS, a line that is a LOGIN, a login upstream, bytes both ways. It checks nothing,
// writes no log, and believes that every line comes in one piece. No program that anybody should run: what it costs is Node's.
//
//   node bare-node-main.ts CERTIFICATE KEY PORT UPSTREAM_PORT

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createServer } from 'node:tls';

const [cert = '', key = '', port = '', upstreamPort = ''] = process.argv.slice(2);
const HOST = '127.0.0.1';
const CREDENTIALS = (user: string) => Buffer.from(`${user}\0postern\0not checked`).toString('base64');

createServer(
  {
    cert: readFileSync(cert),
    key: readFileSync(key),
    minVersion: 'TLSv1.2',
    noDelay: true,
    allowHalfOpen: true,
  },
  (client) => {
    client.on('error', () => {});
    client.once('data', (line) => logIn(client, line.toString('latin1')));
    client.write('* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n');
  },
).listen({ host: HOST, port: Number(port), backlog: 4096 });

function logIn(client: Socket, line: string): void {
  const [tag = '', , user = ''] = line.split(' ');
  const upstream = connect({ host: HOST, port: Number(upstreamPort), noDelay: true, allowHalfOpen: true });
  upstream.on('error', () => {});
  upstream.once('data', () => {
    upstream.write(`p AUTHENTICATE PLAIN ${CREDENTIALS(user)}\r\n`);
    upstream.once('data', () => {
      client.write(`${tag} OK Logged in\r\n`);
      join(client, upstream);
      join(upstream, client);
    });
  });
}

function join(from: Socket, to: Socket): void {
  from.on('data', (chunk) => {
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  from.on('close', () => to.destroy());
}
