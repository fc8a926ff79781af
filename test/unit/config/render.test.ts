// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written that way in a configuration

import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { renderConfig } from '../../../src/config/render.ts';
import { MASTER_PASSWORD, parse, SMALL, small } from './example.ts';

it('gives a configuration that means the same, but for its secrets', () => {
  const config = parse(
    `${small('user: postern', 'user: "$${HOME}"')}throttle: { failureDelay: 1500ms, exempt: ["2001:db8::/32"] }
users: { defaultDomain: example.com, netbiosDomains: { EXAMPLE: example.com } }
limits: { idle: 90m, drain: 0ms }
admin: { address: "[::1]:9090" }
redis: { url: "rediss://me@[::1]:7000/3", password: "[secret]", ca: ./ca.pem, prefix: "p:", timeout: 1s }
log: { level: debug }
`,
  );
  const text = stringify(renderConfig(config));
  expect(text).toContain('failureDelay: 1500ms');
  expect(text).toContain('idle: 90m');
  expect(text).toContain('password: "[secret]"');
  expect(parse(text)).toEqual(config);
});

it('never gives a secret', () => {
  const shown = renderConfig(parse(SMALL));
  expect(stringify(shown) + JSON.stringify(shown)).not.toContain(MASTER_PASSWORD);
});
