// XCLIENT: who the client is, as an upstream that trusts Postern is told (https://www.postfix.org/XCLIENT_README.html; Dovecot knows it
// too). Pure.
//
//   U: 250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT
//   P: XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=50000 PROTO=ESMTP HELO=laptop LOGIN=alice@example.com
//   U: 220 …                                    and a new EHLO

export interface XclientFacts {
  /** LOGIN: the user, whom the upstream takes for authenticated. */
  readonly user?: string;
  /** The client's address and what goes with it; left out where it may not be told. */
  readonly client?: {
    readonly address: string;
    readonly port: number;
    readonly helo: string | null;
    readonly sessionId: string;
  };
}

/** Octets of a command line without its CRLF (RFC 5321 §4.5.3.1.4). */
const MAX_LINE = 510;
/** Of what a client says in EHLO: a domain has at most 255 octets (RFC 1035 §2.3.4), and any octet may take three. */
const MAX_HELO = 100;

/**
 * The commands that tell `facts`, each within a line's length; only attributes that the upstream lists, `offered` being the
 * parameters of its XCLIENT keyword. None if there is nothing to tell. That it takes no LOGIN is for the caller to notice
 * (`takesLogin`): without one it would not know for whom it relays.
 */
export function xclientCommands(offered: string, facts: XclientFacts): string[] {
  const listed = attributesIn(offered);
  const commands: string[] = [];
  let line = 'XCLIENT';
  for (const [name, value] of attributesOf(facts)) {
    if (!listed.has(name)) continue;
    const attribute = ` ${name}=${value}`;
    if (line.length + attribute.length > MAX_LINE) {
      commands.push(line);
      line = 'XCLIENT';
    }
    line += attribute;
  }
  if (line !== 'XCLIENT') commands.push(line);
  return commands;
}

export function takesLogin(offered: string): boolean {
  return attributesIn(offered).has('LOGIN');
}

function attributesIn(offered: string): Set<string> {
  return new Set(offered.toUpperCase().split(/ +/));
}

function* attributesOf({ user, client }: XclientFacts): Generator<readonly [string, string]> {
  if (client !== undefined) {
    // Without it the upstream would put Postern's own name to the client's address. What the client's is called in the DNS is
    // the word of whoever runs that zone (CVE-2026-28753).
    yield ['NAME', '[UNAVAILABLE]'];
    yield ['ADDR', client.address.includes(':') ? `IPV6:${client.address}` : client.address];
    yield ['PORT', String(client.port)];
    yield ['PROTO', 'ESMTP'];
    const helo = client.helo === null ? '' : xtext(client.helo, MAX_HELO);
    if (helo !== '') yield ['HELO', helo];
    yield ['SESSION', xtext(client.sessionId)];
  }
  if (user !== undefined) yield ['LOGIN', xtext(user)];
}

/** RFC 3461 §4: printable ASCII but `+` and `=` as it is, every other octet as `+` and two hexadecimal digits. */
export function xtext(text: string, octets = Number.POSITIVE_INFINITY): string {
  return Buffer.from(text)
    .subarray(0, octets)
    .toString('latin1')
    .replace(
      /[^!-~]|[+=]/g,
      (octet) => `+${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    );
}
