// Floods from one hand with many addresses, against clients that mean well: who gets in.

import { describe, expect, test } from 'vitest';
import { ConnectionLimits } from '../../../src/listen/limits.ts';
import { Place } from '../../../src/listen/place.ts';

const DEFAULTS = { connections: 10_000, perNetwork: 200, beforeLogin: 2000 };

/** The `n`-th address of a flood. */
const SOURCES: Record<string, (n: number) => string> = {
  'the /64s of one /48': (n) => `2001:db8:66:${(n % 65_536).toString(16)}::1`,
  'the /64s of one /56': (n) => `2001:db8:66:${(n % 256).toString(16)}::1`,
  'an IPv4 /24': (n) => `203.0.113.${n % 256}`,
  'nine addresses of nine /24s': (n) => `203.0.${n % 9}.1`,
  'four /48s': (n) => `2001:db8:${n % 4}:${(n % 65_536).toString(16)}::1`,
  'thirty /24s': (n) => `203.${n % 30}.113.${n % 256}`,
};

/** What its connections do, as far as they can: they never log in. */
const WAYS: Record<string, (place: Place, n: number) => void> = {
  'say nothing, or drip the octets of a line': () => {},
  'say a whole line or ClientHello, and then nothing': (place) => place.heard(),
  'guess all the time': (place) => {
    place.heard();
    place.attempting(true);
    place.attempting(false);
  },
  'do one or the other': (place, n) => {
    if (n % 3 > 0) place.heard();
  },
};

interface Outcome {
  readonly admitted: number;
  readonly turnedAway: number;
}

/**
 * 2,200 come at once, and whoever is closed or turned away comes back at the next moment, `again` of them between two steps of a client that
 * means well. Each such client is of another network, takes `steps` moments for its first word, and as many for its login.
 */
function flood(
  address: (n: number) => string,
  act: (place: Place, n: number) => void,
  balancer: boolean,
): Outcome {
  let now = 0;
  const limits = new ConnectionLimits(DEFAULTS, { monotonic: () => now });
  let made = 0;
  const enter = (from: string): Place | undefined => {
    const place = balancer ? limits.enterUnnamed() : limits.enter(from);
    if (!(place instanceof Place)) return undefined;
    if (place.name(from)) return place;
    place.leave();
    return undefined;
  };
  const strangers = (count: number) => {
    for (let i = 0; i < count; i++) {
      const n = made++;
      const place = enter(address(n));
      if (place !== undefined) act(place, n);
    }
  };
  strangers(2200);
  let admitted = 0;
  let turnedAway = 0;
  for (let client = 0; client < 30; client++) {
    const place = enter(`198.51.${client}.7`);
    const moment = () => {
      now += 20;
      strangers(50);
    };
    if (place === undefined) turnedAway++;
    moment();
    place?.heard();
    moment();
    place?.attempting(true);
    moment();
    place?.attempting(false);
    moment();
    place?.attempting(true);
    moment();
    place?.loggedIn();
    if (place?.stage === 'logged in') admitted++;
    place?.leave();
  }
  return { admitted, turnedAway };
}

describe.each(Object.keys(SOURCES))('2,200 connections from %s', (source) => {
  describe.each(Object.keys(WAYS))('that %s, and come back at once', (way) => {
    test.each([
      ['directly', false],
      ['by way of a balancer', true],
    ])('%s keep out nobody else', (_, balancer) => {
      expect(flood(SOURCES[source]!, WAYS[way]!, balancer)).toEqual({ admitted: 30, turnedAway: 0 });
    });
  });
});

test('an office, or a provider’s customers, who come back after a restart are no flood: who is in gets through', () => {
  let now = 0;
  const limits = new ConnectionLimits(DEFAULTS, { monotonic: () => now });
  const gone: string[] = [];
  let in_ = 0;
  const come = (address: string) => {
    const place = limits.enter(address);
    if (!(place instanceof Place)) return undefined;
    place.onGivenWay = () => gone.push(address);
    place.heard();
    in_++;
    return place;
  };
  // 3,000 clients of one /24, with twelve each: 2,000 of them find a place.
  const places = Array.from({ length: 3000 }, (_, n) => come(`192.0.2.${n % 250}`));
  expect(in_).toBe(2000);
  expect(gone).toEqual([]);
  now = 5000;
  for (const place of places) place?.loggedIn();
  expect(gone).toEqual([]);
});

test('silent strangers from everywhere do not push out a large office that is logging in', () => {
  let now = 0;
  const limits = new ConnectionLimits(DEFAULTS, { monotonic: () => now });
  const gone: string[] = [];
  for (let n = 0; n < 60; n++) {
    const place = limits.enter(`192.0.2.${n}`) as Place;
    place.onGivenWay = () => gone.push('office');
    place.heard();
  }
  for (let n = 0; n < 20_000; n++) {
    now += 1;
    limits.enter(`10.${n % 250}.${Math.floor(n / 250)}.1`);
    if (now > 9000) break;
  }
  expect(gone).toEqual([]);
});
