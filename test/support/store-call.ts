// A process of its own that opens a store and makes one call: `revoke ID`, `disable USER`, `note ID`, or `create USER MAX`, for
// which it says `ready` first and waits for a line on its standard input. Prints the outcome.

import { once } from 'node:events';
import { systemClock } from '../../src/lib/clock.ts';
import type { User } from '../../src/lib/user.ts';
import { openStoreOnce } from '../../src/store/open.ts';
import { newRecord } from './records.ts';

const [file = '', call = '', argument = '', most = '0'] = process.argv.slice(2);
await using store = await openStoreOnce(`sqlite:${file}`, { clock: systemClock });
const print = (text: string) => process.stdout.write(`${text}\n`);

switch (call) {
  case 'revoke':
    print(String(await store.revoke({ ids: [argument] }, Date.now())));
    break;
  case 'disable':
    await store.setUserDisabled(argument as User, Date.now());
    break;
  case 'note':
    await store.noteUses([
      { id: argument, kind: 'used', use: { at: Date.now(), from: '::1', protocol: 'imap', client: null } },
    ]);
    break;
  case 'create': {
    print('ready');
    await once(process.stdin, 'data');
    const limits = { maxPerUser: Number(most), maxRecent: 1000, recentSince: 0 };
    print(await store.create(newRecord({ user: argument as User, selector: process.pid % 65_536 }), limits));
    process.stdin.destroy();
    break;
  }
  default:
    throw new Error(`no such call: ${call}`);
}
