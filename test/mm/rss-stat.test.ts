import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import type { RssStat } from '../../lib/mm/mm.js';
import { Mm } from '../../lib/mm/mm.js';
import { pageBytes } from '../../lib/native/page-bytes.js';
import { thrown } from '../support/thrown.js';

const NAME = 'percpu:rss_stat';

let mm: Mm;
let seen: RssStat[];
const note = (message: unknown, name: string | symbol) => {
  expect(name).toBe(NAME);
  seen.push(message as RssStat);
};

beforeEach(() => {
  mm = new Mm({ arena: new CounterArena({ cpus: 8 }) });
  seen = [];
});
afterEach(() => {
  unsubscribe(NAME, note);
  vi.restoreAllMocks();
  mm.destroy();
});

const bytes = (pages: number) => pages * pageBytes();

describe('with a subscriber', () => {
  beforeEach(() => subscribe(NAME, note));

  it('every change is published with the precise size after it, in bytes', () => {
    mm.add('anon', 3);
    mm.addOn(7, 'anon', 40);
    mm.addOn(2, 'file', 1);
    mm.add('swap', 9);
    mm.addOn(5, 'shmem', 2);
    mm.addOn(0, 'anon', -41);
    expect(seen).toEqual([
      { mm, member: 'anon', bytes: bytes(3) },
      { mm, member: 'anon', bytes: bytes(43) },
      { mm, member: 'file', bytes: bytes(1) },
      { mm, member: 'swap', bytes: bytes(9) },
      { mm, member: 'shmem', bytes: bytes(2) },
      { mm, member: 'anon', bytes: bytes(2) },
    ]);
    expect(seen.every((message) => message.mm === mm)).toBe(true);
  });

  it('a change of 0 is one as well', () => {
    mm.add('anon', 0);
    expect(seen).toEqual([{ mm, member: 'anon', bytes: 0 }]);
  });

  it('negative counts are published as 0', () => {
    mm.addOn(1, 'anon', -5);
    mm.addOn(2, 'anon', 6);
    expect(seen.map((message) => message.bytes)).toEqual([0, bytes(1)]);
  });

  it('a child publishes its own', () => {
    using child = mm.fork();
    mm.add('anon', 1);
    child.add('anon', 2);
    expect(seen.map((message) => [message.mm === child, message.bytes])).toEqual([
      [false, bytes(1)],
      [true, bytes(2)],
    ]);
  });

  it('what is refused is not published', () => {
    for (const wrong of [1.5, 2 ** 53, Number.NaN, '1']) thrown(() => mm.add('anon', wrong as number));
    thrown(() => mm.addOn(8, 'anon', 1));
    thrown(() => mm.add('foo' as 'anon', 1));
    expect(seen).toEqual([]);
  });

  it('neither are reads, forks and destruction', () => {
    mm.add('anon', 1);
    mm.rssSum();
    mm.rssBounds();
    mm.fork().destroy();
    mm.destroy();
    expect(seen).toHaveLength(1);
  });

  it('a change that takes a counter beyond the safe integers is made, and published, all the same', () => {
    mm.addOn(0, 'anon', Number.MAX_SAFE_INTEGER);
    mm.addOn(0, 'anon', Number.MAX_SAFE_INTEGER);
    expect(seen.map((message) => message.bytes)).toEqual([1, 2].map((times) => bytes(times * Number.MAX_SAFE_INTEGER)));
    mm.addOn(0, 'anon', -Number.MAX_SAFE_INTEGER);
    expect(mm.counterSum('anon')).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('without a subscriber', () => {
  it('nothing is published, and nothing summed', () => {
    const publish = vi.spyOn(channel(NAME), 'publish');
    const sums = (['preciseSum', 'preciseSumPositive', 'preciseSumBigInt'] as const).map((sum) =>
      vi.spyOn(CounterTree.prototype, sum),
    );
    expect(channel(NAME).hasSubscribers).toBe(false);
    for (let i = 0; i < 100; i++) {
      mm.add('anon', i);
      mm.addOn(i % 8, 'file', i);
    }
    expect(publish).not.toHaveBeenCalled();
    for (const sum of sums) expect(sum).not.toHaveBeenCalled();
  });

  it('nor once the last one has gone', () => {
    subscribe(NAME, note);
    mm.add('anon', 1);
    unsubscribe(NAME, note);
    mm.add('anon', 1);
    expect(seen).toHaveLength(1);
  });
});
