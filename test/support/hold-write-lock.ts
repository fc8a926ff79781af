// A process of its own that holds a database's write lock for some milliseconds: prints `locked`, then `free`. With the mode
// `alone` nobody else can even read it.

import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';

const [file = '', milliseconds = '0', mode = 'immediate'] = process.argv.slice(2);
const database = new Database(file);
if (mode === 'alone') database.pragma('locking_mode = exclusive');
database.exec(`begin ${mode === 'alone' ? 'exclusive' : mode}`);
process.stdout.write('locked\n');
await sleep(Number(milliseconds));
database.exec('commit');
database.close();
process.stdout.write('free\n');
