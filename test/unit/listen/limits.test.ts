// Places for connections: what each bound stops, and that every place is given back once and only once.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { connectionsFor, openFilesLimit } from '../../../src/listen/file-descriptors.ts';
import { type ConnectionBounds, ConnectionLimits } from '../../../src/listen/limits.ts';
import { Place } from '../../../src/listen/place.ts';

const MANY = { connections: 1000, perNetwork: 1000, beforeLogin: 1000 };

function placeOf(given: Place | string): Place {
  if (!(given instanceof Place)) throw new Error(`no place: ${given}`);
  return given;
}

function loggedIn(given: Place | string): Place {
  const place = placeOf(given);
  place.loggedIn();
  return place;
}

describe('a bound, where everybody has logged in', () => {
  test('in all', () => {
    const limits = new ConnectionLimits({ ...MANY, connections: 2 });
    const first = loggedIn(limits.enter('192.0.2.1'));
    loggedIn(limits.enterUnnamed());
    expect(limits.enter('192.0.2.3')).toBe('connections');
    expect(limits.enterUnnamed()).toBe('connections');
    first.leave();
    placeOf(limits.enter('192.0.2.3'));
  });

  test('by file descriptors', () => {
    const limits = new ConnectionLimits({ ...MANY, fileDescriptors: 1 });
    const first = loggedIn(limits.enter('192.0.2.1'));
    expect(limits.enter('192.0.2.2')).toBe('fileDescriptors');
    first.leave();
    placeOf(limits.enter('192.0.2.2'));
  });

  test('per network: an IPv4 address, an IPv6 /64', () => {
    const limits = new ConnectionLimits({ ...MANY, perNetwork: 1 });
    loggedIn(limits.enter('192.0.2.1'));
    expect(limits.enter('192.0.2.1')).toBe('perNetwork');
    loggedIn(limits.enter('192.0.2.2'));
    loggedIn(limits.enter('2001:db8:0:1::1'));
    expect(limits.enter('2001:db8:0:1:ffff::2')).toBe('perNetwork');
    placeOf(limits.enter('2001:db8:0:2::1'));
  });

  test('per network, for a client that its balancer names later', () => {
    const limits = new ConnectionLimits({ ...MANY, perNetwork: 1 });
    const [first, second, third] = [1, 2, 3].map(() => placeOf(limits.enterUnnamed()));
    expect(first!.name('192.0.2.1')).toBe(true);
    first!.loggedIn();
    expect(second!.name('192.0.2.1')).toBe(false);
    expect(third!.name('192.0.2.2')).toBe(true);
    expect(limits.enter('192.0.2.1')).toBe('perNetwork');
    first!.leave();
    placeOf(limits.enter('192.0.2.1'));
  });
});

test('who is nobody again counts as before login again, and gives way once there was time enough', () => {
  let now = 0;
  const limits = new ConnectionLimits({ ...MANY, beforeLogin: 1 }, { monotonic: () => now });
  const place = loggedIn(limits.enter('192.0.2.1'));
  now = 60_000;
  place.loggedOut();
  expect(limits.enter('192.0.2.2')).toBe('beforeLogin');
  place.loggedIn();
  const other = loggedIn(limits.enter('192.0.2.2'));
  place.loggedOut();
  place.attempting(true);
  now += 60_000;
  expect(limits.enter('192.0.2.3')).toBe('beforeLogin');
  place.attempting(false);
  placeOf(limits.enter('192.0.2.3')).leave();
  expect(place.stage).toBe('gone');
  other.loggedOut();
  other.leave();
  other.loggedOut();
  placeOf(limits.enter('192.0.2.4')).heard();
  expect(limits.enter('192.0.2.5')).toBe('beforeLogin');
});

describe('where a bound is reached, another gives way', () => {
  function setting(bounds: Partial<ConnectionBounds>) {
    let now = 0;
    const limits = new ConnectionLimits({ ...MANY, ...bounds }, { monotonic: () => now });
    /** Who gave way, and for which bound. */
    const gone: string[] = [];
    const watched = (given: Place | string, name: string) => {
      const place = placeOf(given);
      place.onGivenWay = (bound) => gone.push(`${name} ${bound}`);
      return place;
    };
    return {
      limits,
      gone,
      silent: (address: string, name = address) => watched(limits.enter(address), name),
      talking(address: string, name = address) {
        const place = watched(limits.enter(address), name);
        place.heard();
        return place;
      },
      unnamed: (name: string) => watched(limits.enterUnnamed(), name),
      pass: (milliseconds: number) => {
        now += milliseconds;
      },
    };
  }

  test('one that has said nothing: of the network with the most such, the one that has waited longest', () => {
    const { gone, silent } = setting({ beforeLogin: 5 });
    silent('192.0.2.1', 'the valid client');
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) silent('192.0.2.66', name);
    expect(gone).toEqual(['a beforeLogin', 'b beforeLogin']);
    silent('192.0.2.2', 'another valid client');
    expect(gone.at(-1)).toBe('c beforeLogin');
  });

  test('where each is from a network of its own, the one that has said nothing for longest', () => {
    const { gone, silent } = setting({ beforeLogin: 3 });
    for (let i = 1; i <= 6; i++) silent(`192.0.2.${i}`);
    expect(gone).toEqual(['192.0.2.1 beforeLogin', '192.0.2.2 beforeLogin', '192.0.2.3 beforeLogin']);
  });

  test('who says something is let finish: those who come too soon in a storm are turned away', () => {
    const { limits, gone, talking } = setting({ beforeLogin: 3 });
    const first = talking('192.0.2.1');
    talking('192.0.2.2');
    talking('192.0.2.2');
    expect(limits.enter('192.0.2.3')).toBe('beforeLogin');
    first.loggedIn();
    talking('192.0.2.3');
    expect(gone).toEqual([]);
  });

  test('but not for ever', () => {
    const { limits, gone, talking, silent, pass } = setting({ beforeLogin: 2, perNetwork: 2 });
    talking('192.0.2.1', 'a');
    talking('192.0.2.1', 'b');
    pass(9999);
    expect(limits.enter('192.0.2.1')).toBe('perNetwork');
    expect(limits.enter('192.0.2.2')).toBe('beforeLogin');
    pass(1);
    silent('192.0.2.1');
    silent('192.0.2.2');
    // The silent one comes first, although the other that talks has had its time, too.
    expect(gone).toEqual(['a perNetwork', '192.0.2.1 beforeLogin']);
  });

  test('nor where a crowd from one network talks, and somebody comes from a smaller one', () => {
    const { limits, gone, talking } = setting({ beforeLogin: 12 });
    for (let i = 1; i <= 12; i++) talking('192.0.2.66', `${i}`);
    expect(limits.enter('192.0.2.66')).toBe('beforeLogin');
    talking('192.0.2.1');
    talking('192.0.2.1');
    expect(gone).toEqual(['1 beforeLogin', '2 beforeLogin']);
    // Ten are no crowd.
    expect(limits.enter('192.0.2.2')).toBe('beforeLogin');
  });

  test('nobody whose login is under way, until it has failed', () => {
    const { limits, gone, silent, pass } = setting({ beforeLogin: 1 });
    const place = silent('192.0.2.1');
    place.attempting(true);
    pass(9999);
    expect(limits.enter('192.0.2.2')).toBe('beforeLogin');
    place.attempting(false);
    expect(limits.enter('192.0.2.2')).toBe('beforeLogin');
    place.attempting(true);
    pass(60_000);
    expect(limits.enter('192.0.2.2')).toBe('beforeLogin');
    place.attempting(false);
    silent('192.0.2.2');
    expect(gone).toEqual(['192.0.2.1 beforeLogin']);
  });

  test('somebody who fails all the time, from however many networks: failing wins no time', () => {
    const { limits, gone, talking, pass } = setting({ beforeLogin: 30 });
    const strangers = Array.from({ length: 30 }, (_, i) => talking(`10.${i}.0.1`));
    for (const _ of ['9 s', '18 s']) {
      expect(limits.enter('198.51.100.1')).toBe('beforeLogin');
      pass(9000);
      for (const stranger of strangers) {
        stranger.attempting(true);
        stranger.attempting(false);
      }
    }
    for (let i = 1; i <= 30; i++) talking(`198.51.100.${i}`);
    expect(gone).toHaveLength(30);
  });

  test('and in its own network, somebody who has failed comes before those who may still get in', () => {
    const { gone, talking, silent, pass } = setting({ perNetwork: 2 });
    const failed = talking('192.0.2.1', 'failed');
    pass(10_000);
    talking('192.0.2.1', 'talks');
    failed.attempting(true);
    failed.attempting(false);
    silent('192.0.2.1');
    expect(gone).toEqual(['failed perNetwork']);
  });

  test('nobody who has logged in', () => {
    const { limits, gone, silent, pass } = setting({ connections: 3, perNetwork: 2 });
    silent('192.0.2.1', 'a session').loggedIn();
    silent('192.0.2.1', 'silent');
    const session = silent('192.0.2.1', 'a second session');
    session.attempting(true);
    session.loggedIn();
    session.attempting(false);
    expect(gone).toEqual(['silent perNetwork']);
    silent('192.0.2.2', 'silent too');
    silent('192.0.2.3', 'a third session').loggedIn();
    expect(gone).toEqual(['silent perNetwork', 'silent too connections']);
    pass(60_000);
    expect(limits.enter('192.0.2.4')).toBe('connections');
  });

  test('in a network that its balancer names, and among those whom it has not named', () => {
    const { gone, silent, unnamed } = setting({ beforeLogin: 4, perNetwork: 2 });
    const [, second, third] = ['u1', 'u2', 'u3'].map(unnamed);
    silent('192.0.2.1');
    silent('192.0.2.2');
    expect(gone).toEqual(['u1 beforeLogin']);
    second!.heard();
    expect(second!.name('192.0.2.1')).toBe(true);
    expect(third!.name('192.0.2.1')).toBe(true);
    expect(gone).toEqual(['u1 beforeLogin', '192.0.2.1 perNetwork']);
  });

  test('those whom a balancer has yet to name are no crowd, however many come at once', () => {
    const { gone, silent, unnamed } = setting({ beforeLogin: 20 });
    for (let i = 1; i <= 20; i++) silent(`192.0.2.${i}`);
    const client = unnamed('the valid client');
    for (let i = 1; i <= 10; i++) unnamed(`stranger ${i}`);
    expect(gone).toEqual(Array.from({ length: 11 }, (_, i) => `192.0.2.${i + 1} beforeLogin`));
    expect(client.name('198.51.100.1')).toBe(true);
  });

  test('one for one, also after the bounds have become lower', () => {
    const { limits, gone, silent } = setting({});
    for (let i = 1; i <= 9; i++) silent(`192.0.2.${i}`);
    limits.configure({ connections: 3, perNetwork: 1, beforeLogin: 2 });
    silent('192.0.2.10');
    expect(gone).toEqual(['192.0.2.1 connections']);
  });
});

test('a newcomer talks, until its first attempt has ended one way or the other', () => {
  const limits = new ConnectionLimits(MANY);
  const come = () => {
    const place = placeOf(limits.enter('192.0.2.1'));
    place.heard();
    return place;
  };
  placeOf(limits.enter('192.0.2.1'));
  expect(limits.newcomers).toBe(0);
  const [fails, hangsUp, joins] = [come(), come(), come()];
  expect(limits.newcomers).toBe(3);
  for (const place of [fails, joins]) place.attempting(true);
  expect(limits.newcomers).toBe(3);
  fails.attempting(false);
  fails.attempting(true);
  fails.attempting(false);
  expect(limits.newcomers).toBe(2);
  hangsUp.leave();
  joins.loggedIn();
  expect(limits.newcomers).toBe(0);
  for (const place of [fails, hangsUp, joins]) place.leave();
  expect(limits.newcomers).toBe(0);
});

test('whatever happens in whatever order, the places of all who are gone are free', () => {
  const bounds = { connections: 8, perNetwork: 3, beforeLogin: 5 };
  const step = fc.tuple(
    fc.constantFrom('enter', 'enterUnnamed', 'name', 'heard', 'attempt', 'fail', 'loggedIn', 'leave'),
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
          expect(places.filter(({ stage }) => stage !== 'gone').length).toBeLessThanOrEqual(
            bounds.connections,
          );
          expect(places.filter((each) => each.isBeforeLogin).length).toBeLessThanOrEqual(bounds.beforeLogin);
        } else if (what === 'name') place?.name(address);
        else if (what === 'attempt' || what === 'fail') place?.attempting(what === 'attempt');
        else place?.[what as 'heard' | 'loggedIn' | 'leave']();
      }
      for (const place of places) place.leave();
      expect(limits.newcomers).toBe(0);
      // Room for exactly as many as at the start.
      for (let i = 0; i < bounds.perNetwork; i++) placeOf(limits.enter('192.0.2.1')).loggedIn();
      expect(limits.enter('192.0.2.1')).toBe('perNetwork');
      for (let i = 0; i < 3; i++) placeOf(limits.enter('192.0.2.2')).loggedIn();
      for (let i = 0; i < 2; i++) placeOf(limits.enterUnnamed()).loggedIn();
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
