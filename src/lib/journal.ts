// journald, where it reads what this process prints. A line that begins with `<3>` has that priority there, and the rest is the message
// (sd-daemon(3)): so `journalctl -p err` finds errors. Priorities are those of syslog (RFC 5424 §6.2.1).

import { fstatSync } from 'node:fs';

export const PRIORITY = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 } as const;

/** `stream`: what systemd says in JOURNAL_STREAM, the device and inode of what journald reads (systemd.exec(5)); a child may have another. */
export function isJournal(descriptor: number, stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** With a priority on each line of it. */
export function withPriority(priority: number, text: string): string {
  return text.replace(/^(?=.)/gm, `<${priority}>`);
}
