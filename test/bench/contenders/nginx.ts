// nginx's mail proxy. Its auth_http answerer is the smallest that there can be: a location of the same nginx, in the same
// worker, that looks the user and password up in a table and answers without a body. No program of another kind could cost less.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../support/ports.ts';
import type { Site } from '../site.ts';
import { type Contender, start } from './contender.ts';

export interface NginxOptions {
  readonly waits?: boolean;
  readonly protocol?: 'imap' | 'smtp';
  readonly upstreamPort?: number;
}

export function startNginx(
  site: Site,
  { waits = true, protocol = 'imap', upstreamPort = site.upstreamPort }: NginxOptions = {},
): Promise<Contender> {
  return start({
    name: 'nginx',
    has: ['implicit', 'starttls', 'none'],
    waits,
    async prepare(directory, ports) {
      const authPort = await freePort();
      const file = join(directory, 'nginx.conf');
      const { certificate } = site;
      writeFileSync(
        join(directory, 'users.map'),
        site.warmUsers.map((user) => `"${user}:${site.password}" "OK";\n`).join(''),
      );
      writeFileSync(
        file,
        `
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 32768; }
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  map_hash_max_size 16384;
  map_hash_bucket_size 256;
  map "$http_auth_user:$http_auth_pass" $status_of_login {
    default "Invalid login or password";
    include ${directory}/users.map;
  }
  server {
    listen 127.0.0.1:${authPort};
    location = /auth {
      add_header Auth-Status $status_of_login;
      add_header Auth-Server 127.0.0.1;
      add_header Auth-Port ${upstreamPort};
      return 204;
    }
  }
}
mail {
  server_name localhost;
  auth_http 127.0.0.1:${authPort}/auth;
  proxy_timeout 2h;
  imap_capabilities IMAP4rev1 SASL-IR ID;
  smtp_auth plain login;
  smtp_capabilities PIPELINING 8BITMIME "SIZE 52428800" ENHANCEDSTATUSCODES;
  ssl_certificate ${certificate.certFile};
  ssl_certificate_key ${certificate.keyFile};
  ssl_protocols TLSv1.3;
  server { listen 127.0.0.1:${ports.implicit} ssl; protocol ${protocol}; }
  server { listen 127.0.0.1:${ports.starttls}; protocol ${protocol}; starttls only; }
  server { listen 127.0.0.1:${ports.none}; protocol ${protocol}; }
}
`,
      );
      return {
        program: '/usr/sbin/nginx',
        args: ['-p', directory, '-e', `${directory}/error.log`, '-c', file],
      };
    },
  });
}
