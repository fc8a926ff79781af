// `admin`, `log`: what the operator sees.

import { LOG_LEVELS } from '../log-level.ts';
import { reshaped, section } from '../shapes.ts';
import { choice, hostPort } from '../values.ts';

export const adminSchema = reshaped(
  section({
    /**
     * Where `/metrics`, `/livez` and `/readyz` are served, over HTTP and without a login. Without this section they are
     * not.
     */
    address: hostPort('127.0.0.1:9090', { anyPort: true }),
  }),
  ({ address }) => address,
  (address) => ({ address }),
);

export const logSchema = section({
  /** The least important log lines to write. */
  level: choice(LOG_LEVELS).prefault('info'),
}).prefault({});
