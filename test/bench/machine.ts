// What the numbers were measured on, without naming it.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg, release, totalmem } from 'node:os';

export function describeMachine(): Record<string, string> {
  const cpu = /model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown';
  const system = /PRETTY_NAME="(.*)"/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  return {
    processor: `${cpu}, ${availableParallelism()} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${system}, Linux ${release()}`,
    'load average at the start': loadAverage(),
    'Node.js': `${process.version}, OpenSSL ${process.versions.openssl}`,
    nginx: versionOf(['/usr/sbin/nginx', '-V'], /nginx\/(\S+)[\s\S]*?(OpenSSL \S+)/),
    Dovecot: versionOf(['/usr/sbin/dovecot', '--version'], /(\S+)/),
    OpenLDAP: versionOf(['/usr/sbin/slapd', '-VV'], /slapd (\S+)/),
    HAProxy: versionOf(
      ['/usr/sbin/haproxy', '-vv'],
      /version (\S+)[\s\S]*?Running on (OpenSSL) version : OpenSSL (\S+)/,
    ),
  };
}

/** Over one, five and fifteen minutes: above the number of cores, others were at work too. */
export function loadAverage(): string {
  return loadavg()
    .map((load) => load.toFixed(2))
    .join(' ');
}

function versionOf([program, ...args]: readonly [string, ...string[]], pattern: RegExp): string {
  // nginx writes its version on standard error.
  const text = execFileSync('/bin/sh', ['-c', '"$@" 2>&1', 'sh', program, ...args], { encoding: 'utf8' });
  return pattern.exec(text)?.slice(1).join(' ') ?? 'unknown';
}
