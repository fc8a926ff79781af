import { beforeEach, describe, expect, test } from 'vitest';
import { Breaker, type BreakerChange } from '../../../src/upstream/breaker.ts';
import { UpstreamCertificateError } from '../../../src/upstream/errors.ts';
import { UpstreamHealth } from '../../../src/upstream/health.ts';

/** A clock that a test turns by hand, and the timers on it. */
class Time {
  now = 0;
  readonly timers: { at: number; callback: () => void }[] = [];
  readonly clock = { now: () => this.now, monotonic: () => this.now };
  readonly after = (milliseconds: number, callback: () => void) => {
    const timer = { at: this.now + milliseconds, callback };
    this.timers.push(timer);
    return () => void this.timers.splice(this.timers.indexOf(timer), 1);
  };

  async pass(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    for (;;) {
      const next = this.timers.sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.timers.shift();
      this.now = next.at;
      next.callback();
      await settled();
    }
    this.now = end;
    await settled();
  }
}

/** Everything that only waits for promises has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Probes that end when the test says how. */
class Probes {
  readonly times: number[] = [];
  readonly open: { resolve: () => void; reject: (error: Error) => void; signal: AbortSignal }[] = [];
  readonly #time: Time;

  constructor(time: Time) {
    this.#time = time;
  }

  readonly probe = (signal: AbortSignal): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.times.push(this.#time.now);
    this.open.push({ resolve, reject, signal });
    return promise;
  };

  async fails(error: Error = refused): Promise<void> {
    this.open.shift()?.reject(error);
    await settled();
  }

  async succeeds(): Promise<void> {
    this.open.shift()?.resolve();
    await settled();
  }
}

const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const wrongCertificate = new UpstreamCertificateError('expired', 'its certificate has expired');

let time: Time;
let probes: Probes;
let changes: BreakerChange[];
let breaker: Breaker;
beforeEach(() => {
  time = new Time();
  probes = new Probes(time);
  changes = [];
  breaker = new Breaker({
    clock: time.clock,
    random: () => 0,
    after: time.after,
    onChange: (change) => changes.push(change),
  });
});

const clientFails = (error: Error = refused, startedAt = time.now) =>
  breaker.failed(error, startedAt, probes.probe);
const states = () => changes.map(({ state }) => state);

describe('a breaker', () => {
  test('takes one failure for bad luck, and a probe looks again at once', async () => {
    clientFails();
    expect(breaker.state).toBe('suspect');
    expect(probes.times).toEqual([0]);
    time.now = 7;
    await probes.succeeds();
    expect(breaker.state).toBe('up');
    expect(changes).toEqual([
      { state: 'suspect', error: refused },
      { state: 'up', was: 'suspect', seconds: 0.007 },
    ]);
    await time.pass(120_000);
    expect(probes.times).toEqual([0]);
  });

  test('opens when that probe fails too', async () => {
    clientFails();
    await probes.fails();
    expect(breaker.state).toBe('down');
    expect(breaker.error).toBe(refused);
    expect(states()).toEqual(['suspect', 'down']);
  });

  test('opens at a second client’s failure without waiting for a probe that hangs', async () => {
    clientFails();
    clientFails();
    expect(breaker.state).toBe('down');
    // The probe that is under way is the only one until it ends.
    await time.pass(60_000);
    expect(probes.times).toEqual([0]);
    await probes.fails();
    await time.pass(1000);
    expect(probes.times).toEqual([0, 61_000]);
  });

  test('probes after 1 s, then after pauses that double up to 30 s, one at a time', async () => {
    clientFails();
    await probes.fails();
    for (let n = 0; n < 8; n++) {
      await time.pass(30_000);
      await probes.fails();
    }
    const pauses = probes.times.slice(1).map((at, n) => at - (n === 0 ? 0 : 30_000 * n));
    // Each pause begins when the probe before has failed: here, at the next multiple of 30 s.
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  test('leaves out up to a quarter of a pause', async () => {
    breaker = new Breaker({ clock: time.clock, random: () => 0.999, after: time.after, onChange: () => {} });
    clientFails();
    await probes.fails();
    await time.pass(2000);
    expect(probes.times[1]).toBeCloseTo(750, -1);
  });

  test('closes when a probe succeeds, and begins with a pause of 1 s the next time', async () => {
    clientFails();
    await probes.fails();
    for (let n = 0; n < 4; n++) {
      await time.pass(30_000);
      if (n < 3) await probes.fails();
    }
    await probes.succeeds();
    expect(breaker.state).toBe('up');
    expect(breaker.error).toBeUndefined();
    expect(changes.at(-1)).toEqual({ state: 'up', was: 'down', seconds: 120 });
    expect(time.timers).toEqual([]);

    const from = probes.times.length;
    time.now += 1;
    clientFails();
    await probes.fails();
    await time.pass(1000);
    expect(probes.times.slice(from)).toEqual([120_001, 121_001]);
  });

  test('closes when a connection that took long succeeds after all; the probe is given up', async () => {
    clientFails();
    clientFails();
    const [probe] = probes.open;
    breaker.succeeded();
    expect(breaker.state).toBe('up');
    expect(probe!.signal.aborted).toBe(true);
    await probes.fails();
    expect(breaker.state).toBe('up');
    expect(time.timers).toEqual([]);
  });

  test('does not count failures of connections that were begun before it was last seen alive', async () => {
    time.now = 100;
    breaker.succeeded();
    for (let n = 0; n < 50; n++) clientFails(refused, 99);
    expect(breaker.state).toBe('up');
    expect(probes.times).toEqual([]);
    clientFails(refused, 100);
    expect(breaker.state).toBe('suspect');
  });

  test('tells each change once, whatever the load', async () => {
    for (let n = 0; n < 1000; n++) clientFails();
    await probes.fails();
    for (let n = 0; n < 10; n++) {
      await time.pass(60_000);
      for (let m = 0; m < 100; m++) clientFails();
      await probes.fails();
    }
    expect(states()).toEqual(['suspect', 'down']);
  });

  test('tells another reason while it is down, once', async () => {
    clientFails();
    await probes.fails();
    for (const error of [wrongCertificate, wrongCertificate, refused]) {
      await time.pass(60_000);
      await probes.fails(error);
    }
    expect(changes.slice(1)).toEqual([
      { state: 'down', error: refused },
      { state: 'down', error: wrongCertificate },
      { state: 'down', error: refused },
    ]);
  });

  test('takes what a probe throws for an error, whatever it is', async () => {
    breaker.failed(refused, 0, () => Promise.reject('no Error at all'));
    await settled();
    expect(breaker.state).toBe('down');
    expect(breaker.error?.message).toBe('no Error at all');
  });

  test('leaves nothing behind when it is disposed of', async () => {
    clientFails();
    const [probe] = probes.open;
    breaker[Symbol.dispose]();
    expect(probe!.signal.aborted).toBe(true);
    await probes.fails();
    clientFails();
    breaker.succeeded();
    await time.pass(60_000);
    expect(probes.times).toEqual([0]);
    expect(states()).toEqual(['suspect']);
  });
});

describe('an upstream’s health', () => {
  const first = { host: 'imap1.internal', port: 993 };
  const second = { host: '2001:db8::2', port: 993 };
  let told: string[];
  let health: UpstreamHealth;
  beforeEach(() => {
    told = [];
    health = new UpstreamHealth({
      name: 'dovecot',
      addresses: [first, second],
      clock: time.clock,
      random: () => 0,
      after: time.after,
      events: {
        upstreamUp: (_, up) => told.push(`up ${up}`),
        upstreamFailed: (_, address, detail) => told.push(`failed ${address}: ${detail}`),
        upstreamDown: (_, address, detail, mend) => told.push(`down ${address}: ${detail}${mend ? '!' : ''}`),
        upstreamRecovered: (_, address, seconds) => told.push(`recovered ${address} ${seconds}`),
      },
    });
  });

  const fail = (n: number, error: Error = refused) =>
    health
      .candidates()
      .find(({ address }) => address === [first, second][n])!
      .breaker.failed(error, time.now, probes.probe);
  const order = () => health.candidates().map(({ address, breaker }) => `${address.host} ${breaker.state}`);

  test('is good until the contrary is known', () => {
    expect(told).toEqual(['up true']);
    expect(order()).toEqual(['imap1.internal up', '2001:db8::2 up']);
  });

  test('tries an address last that has just failed, and in its place again once it is known to work', async () => {
    fail(0);
    expect(order()).toEqual(['2001:db8::2 up', 'imap1.internal suspect']);
    await probes.succeeds();
    expect(order()).toEqual(['imap1.internal up', '2001:db8::2 up']);
  });

  test('is usable while any address is, and tells which one is down and why', async () => {
    fail(0);
    await probes.fails();
    fail(1, wrongCertificate);
    await probes.fails(wrongCertificate);
    expect(health.isUsable).toBe(false);
    await time.pass(1000);
    await probes.succeeds();
    expect(health.isUsable).toBe(true);
    expect(told).toEqual([
      'up true',
      'failed imap1.internal:993: connection refused',
      'up true',
      'down imap1.internal:993: connection refused',
      'up true',
      'failed [2001:db8::2]:993: its certificate has expired',
      'up true',
      'down [2001:db8::2]:993: its certificate has expired!',
      'up false',
      'recovered imap1.internal:993 1',
      'up true',
    ]);
  });

  test('tells of single failures once a minute', async () => {
    for (let n = 0; n < 90; n++) {
      time.now += 1000;
      fail(0);
      await probes.succeeds();
    }
    expect(told.filter((line) => line.startsWith('failed'))).toHaveLength(2);
    expect(told.filter((line) => line.startsWith('recovered'))).toEqual([]);
  });
});
