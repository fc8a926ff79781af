// A process of its own that opens a keys file beside an empty store: prints the id of its first key.

import { openKeys } from '../../src/passwords/keys-file.ts';

const [file = ''] = process.argv.slice(2);
const keys = await openKeys({ file, store: { namedKeys: async () => [], noteKeyCheck: async () => {} } });
process.stdout.write(`${keys.current}\n`);
