// A process of its own that holds a database's write lock for some milliseconds: prints `locked`, then `free`.

import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';

const [file = '', milliseconds = '0', mode = 'immediate'] = process.argv.slice(2);
const database = new Database(file);
database.exec(`begin ${mode}`);
process.stdout.write('locked\n');
await sleep(Number(milliseconds));
database.exec('commit');
process.stdout.write('free\n');
