// Places for connections: what each bound stops, and that every place is given back once and only once.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { connectionsFor, openFilesLimit } from '../../../src/listen/file-descriptors.ts';
import { ConnectionLimits, Place } from '../../../src/listen/limits.ts';

const MANY = { connections: 1000, perNetwork: 1000, beforeLogin: 1000 };

function placeOf(given: Place | string): Place {
  if (!(given instanceof Place)) throw new Error(`no place: ${given}`);
  return given;
}

describe('a bound', () => {
  test('in all', () => {
    const limits = new ConnectionLimits({ ...MANY, connections: 2 });
    const first = placeOf(limits.enter('192.0.2.1'));
    placeOf(limits.enterUnnamed()).loggedIn();
    expect(limits.enter('192.0.2.3')).toBe('connections');
    first.leave();
    placeOf(limits.enter('192.0.2.3'));
  });

  test('by file descriptors', () => {
    const limits = new ConnectionLimits({ ...MANY, fileDescriptors: 1 });
    const first = placeOf(limits.enter('192.0.2.1'));
    expect(limits.enter('192.0.2.2')).toBe('fileDescriptors');
    expect(limits.enterUnnamed()).toBe('fileDescriptors');
    first.leave();
    placeOf(limits.enterUnnamed());
  });

  test('before login, which logging in gives back', () => {
    const limits = new ConnectionLimits({ ...MANY, beforeLogin: 1 });
    const first = placeOf(limits.enter('192.0.2.1'));
    expect(limits.enter('192.0.2.2')).toBe('beforeLogin');
    first.loggedIn();
    placeOf(limits.enter('192.0.2.2'));
    first.leave();
    expect(limits.enter('192.0.2.3')).toBe('beforeLogin');
  });

  test('per network: an IPv4 address, an IPv6 /64', () => {
    const limits = new ConnectionLimits({ ...MANY, perNetwork: 1 });
    placeOf(limits.enter('192.0.2.1'));
    expect(limits.enter('192.0.2.1')).toBe('perNetwork');
    placeOf(limits.enter('192.0.2.2'));
    placeOf(limits.enter('2001:db8:0:1::1'));
    expect(limits.enter('2001:db8:0:1:ffff::2')).toBe('perNetwork');
    placeOf(limits.enter('2001:db8:0:2::1'));
  });

  test('per network, for a client that its balancer names later', () => {
    const limits = new ConnectionLimits({ ...MANY, perNetwork: 1 });
    const [first, second, third] = [1, 2, 3].map(() => placeOf(limits.enterUnnamed()));
    expect(first!.name('192.0.2.1')).toBe(true);
    expect(second!.name('192.0.2.1')).toBe(false);
    expect(third!.name('192.0.2.2')).toBe(true);
    expect(limits.enter('192.0.2.1')).toBe('perNetwork');
    first!.leave();
    placeOf(limits.enter('192.0.2.1'));
  });
});

test('whatever happens in whatever order, the places of all who are gone are free', () => {
  const bounds = { connections: 8, perNetwork: 3, beforeLogin: 5 };
  const step = fc.tuple(
    fc.constantFrom('enter', 'enterUnnamed', 'name', 'loggedIn', 'leave'),
    fc.nat(9),
    fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1'),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const limits = new ConnectionLimits(bounds);
      const places: Place[] = [];
      for (const [what, which, address] of steps) {
        const place = places[which % Math.max(1, places.length)];
        if (what === 'enter' || what === 'enterUnnamed') {
          const given = what === 'enter' ? limits.enter(address) : limits.enterUnnamed();
          if (given instanceof Place) places.push(given);
        } else if (what === 'name') place?.name(address);
        else place?.[what as 'loggedIn' | 'leave']();
      }
      for (const place of places) place.leave();
      // Room for exactly as many as at the start.
      for (let i = 0; i < bounds.perNetwork; i++) placeOf(limits.enter('192.0.2.1')).loggedIn();
      expect(limits.enter('192.0.2.1')).toBe('perNetwork');
      for (let i = 0; i < 3; i++) placeOf(limits.enter('192.0.2.2')).loggedIn();
      for (let i = 0; i < 2; i++) placeOf(limits.enterUnnamed());
      expect(limits.enterUnnamed()).toBe('connections');
    }),
  );
});

describe('file descriptors', () => {
  const text = (limit: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             1                    2                    processes \nMax open files            ${limit.padEnd(20)} 524288               files     \n`;

  test('are what /proc says', () => {
    expect(openFilesLimit(() => text('1024'))).toBe(1024);
    expect(openFilesLimit(() => text('unlimited'))).toBeUndefined();
    expect(openFilesLimit(() => '')).toBeUndefined();
    expect(
      openFilesLimit(() => {
        throw new Error('ENOENT');
      }),
    ).toBeUndefined();
  });

  test('last for two per connection, and a reserve', () => {
    expect(connectionsFor(1024)).toBe(480);
    expect(connectionsFor(10)).toBe(1);
    expect(connectionsFor(undefined)).toBe(Number.POSITIVE_INFINITY);
  });
});
