// XCLIENT: who the client is, as an upstream that trusts Postern is told (https://www.postfix.org/XCLIENT_README.html; Dovecot knows it
// too). Pure.
//
//   U: 250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT
//   P: XCLIENT LOGIN=alice@example.com NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=50000 PROTO=ESMTP HELO=laptop
//   U: 220 …                                    and a new EHLO

export interface XclientFacts {
  /** LOGIN: the user, whom the upstream takes for authenticated. */
  readonly user?: string;
  /** The client's address and what goes with it; left out where it may not be told. */
  readonly client?: {
    /** null: of a family that the upstream does not know. */
    readonly address: string | null;
    readonly port: number;
    readonly helo: string | null;
    readonly sessionId: string;
  };
}

/** Octets of a command line without its CRLF (RFC 5321 §4.5.3.1.4). */
const MAX_LINE = 510;
/** Octets of what a client says in EHLO: each may take three, and Postfix says 501 to a value longer than 255 (measured, 3.7). */
const MAX_HELO = 85;

/**
 * The command that tells `facts`, or undefined if there is nothing to tell; only attributes that the upstream lists, `offered` being
 * the parameters of its XCLIENT keyword. It is one command: a second one would make Postfix forget the LOGIN of the first, and
 * the first one's ADDR may take the right to another (measured, 3.7). What makes it longer than a line may be is left out, the
 * client's own words first. That it takes no LOGIN is for the caller to notice (`takesLogin`).
 */
export function xclientCommand(offered: string, facts: XclientFacts): string | undefined {
  const listed = attributesIn(offered);
  const attributes = attributesOf(facts).filter(([name]) => listed.has(name));
  const length = () => attributes.reduce((sum, [name, value]) => sum + name.length + value.length + 2, 7);
  while (length() > MAX_LINE && attributes.length > 1) attributes.pop();
  if (attributes.length === 0) return undefined;
  return `XCLIENT${attributes.map(([name, value]) => ` ${name}=${value}`).join('')}`;
}

export function takesLogin(offered: string): boolean {
  return attributesIn(offered).has('LOGIN');
}

function attributesIn(offered: string): Set<string> {
  return new Set(offered.toUpperCase().split(/ +/));
}

/** The most important first. */
function attributesOf({ user, client }: XclientFacts): (readonly [name: string, value: string])[] {
  const attributes: [string, string][] = [];
  if (user !== undefined) attributes.push(['LOGIN', xtext(user)]);
  if (client === undefined) return attributes;
  const { address, port, helo, sessionId } = client;
  // Without it the upstream would put Postern's own name to the client's address. What the client's is called in the DNS is the
  // word of whoever runs that zone (CVE-2026-28753).
  attributes.push(['NAME', '[UNAVAILABLE]']);
  if (address === null) {
    attributes.push(['ADDR', '[UNAVAILABLE]']);
  } else {
    attributes.push(['ADDR', address.includes(':') ? `IPV6:${address}` : address]);
    attributes.push(['PORT', String(port)]);
  }
  attributes.push(['PROTO', 'ESMTP'], ['SESSION', xtext(sessionId)]);
  const said = helo === null ? '' : xtext(beginning(helo, MAX_HELO));
  if (said !== '') attributes.push(['HELO', said]);
  return attributes;
}

/** As many whole characters as fit: Postfix says 501 to half of one. */
function beginning(text: string, octets: number): string {
  let taken = '';
  for (const character of text) {
    if (Buffer.byteLength(taken + character) > octets) break;
    taken += character;
  }
  return taken;
}

/** RFC 3461 §4: printable ASCII but `+` and `=` as it is, every other octet as `+` and two hexadecimal digits. */
function xtext(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replace(
      /[^!-~]|[+=]/g,
      (octet) => `+${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    );
}
