// `admin`, `log`: what the operator sees.

import { LOG_LEVELS } from '../log-level.ts';
import { choice, hostPort, section } from '../values.ts';

export const adminSchema = section({
  address: hostPort('127.0.0.1:9090', { anyPort: true }).describe(
    'Where `/metrics`, `/livez` and `/readyz` are served, over HTTP and without a login. Without this section they are not.',
  ),
});

export const logSchema = section({
  level: choice(LOG_LEVELS).prefault('info').describe('The least important log lines to write.'),
}).prefault({});
