import { beforeEach, describe, expect, it } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { Mm, type MmCounter } from '../../lib/mm/mm.js';
import { pageBytes } from '../../lib/native/page-bytes.js';
import { describeEngines } from '../support/engines.js';
import { destroyed, percpuError, rangeError, thrown } from '../support/thrown.js';

const KINDS: MmCounter[] = ['file', 'anon', 'swap', 'shmem'];

/** At 256 CPUs and the default batch one tree holds back this many pages at most. */
const SLACK_256 = 22_272;

describeEngines('Mm', (engine) => {
  let arena: CounterArena;
  let mm: Mm;
  beforeEach(() => {
    arena = engine.arena({ cpus: 256 });
    mm = new Mm({ arena });
  });

  it('begins at 0, nameless and without page tables', () => {
    expect(mm).toMatchObject({ name: '', pageTableBytes: 0 });
    for (const kind of KINDS) expect([mm.counter(kind), mm.counterSum(kind)]).toEqual([0, 0]);
    expect([mm.rss(), mm.rssSum(), mm.swapSum(), mm.pageTablePages()]).toEqual([0, 0, 0, 0]);
    expect(mm.rssBounds()).toEqual({ min: 0, max: 3 * SLACK_256 });
    expect(mm.swap()).toEqual({ min: 0, max: SLACK_256 });
  });

  it('keeps four counters apart', () => {
    for (const [cpu, kind] of KINDS.entries()) {
      mm.add(kind, 10 ** cpu);
      mm.addOn(cpu, kind, 2 * 10 ** cpu);
    }
    expect(KINDS.map((kind) => mm.counterSum(kind))).toEqual([3, 30, 300, 3000]);
    expect(mm.rssSum()).toBe(3033);
    expect(mm.swapSum()).toBe(300);
  });

  it('reads approximately what has reached the roots, and bounds what has not', () => {
    // 2,048 pages are a step of the level below the root, 31 stay in the leaf.
    mm.addOn(5, 'anon', 2048 + 31);
    mm.addOn(6, 'file', 31);
    mm.addOn(7, 'swap', 2048);
    expect([mm.counter('anon'), mm.counterSum('anon')]).toEqual([2048, 2079]);
    expect([mm.rss(), mm.rssSum()]).toEqual([2048, 2110]);
    expect(mm.rssBounds()).toEqual({ min: 2048, max: 2048 + 3 * SLACK_256 });
    expect(mm.swap()).toEqual({ min: 2048, max: 2048 + SLACK_256 });
  });

  it('clamps each counter at 0, not their sum', () => {
    mm.addOn(0, 'file', -50_000);
    mm.addOn(0, 'anon', 4096);
    mm.addOn(0, 'swap', -7);
    expect([mm.counter('file'), mm.counterSum('file')]).toEqual([0, 0]);
    expect([mm.rss(), mm.rssSum()]).toEqual([4096, 4096]);
    // The file counter is below 0 for certain; what the shmem counter may hold counts.
    expect(mm.rssBounds()).toEqual({ min: 4096, max: 4096 + 2 * SLACK_256 });
    expect(mm.swapSum()).toBe(0);
    expect(mm.swap().min).toBe(0);
    mm.addOn(9, 'swap', -SLACK_256 - 32);
    expect(mm.swap()).toEqual({ min: 0, max: 0 });
  });

  it('counts page tables in whole pages', () => {
    const pageTablePages = (pages: number, bytes: number) => {
      using other = new Mm({ arena, pageTableBytes: pages * pageBytes() + bytes });
      expect(other.pageTableBytes).toBe(pages * pageBytes() + bytes);
      return other.pageTablePages();
    };
    expect([pageTablePages(0, 1), pageTablePages(1, -1), pageTablePages(1, 0), pageTablePages(3, 5)]).toEqual([
      0, 0, 1, 3,
    ]);
    expect(pageTablePages(2 ** 40, 0)).toBe(2 ** 40);
  });

  it('lies in one arena, its leaves side by side', () => {
    expect(arena.size).toBe(4);
    using other = new Mm({ arena, name: 'other' });
    expect(arena.size).toBe(8);
    mm.add('anon', 5);
    expect(other.rssSum()).toBe(0);
  });

  it('forks a child with the same name and arena and counters of its own', () => {
    const parent = new Mm({ arena, name: 'shell', pageTableBytes: 10 * pageBytes() });
    parent.addOn(1, 'anon', 5_000);
    const child = parent.fork();
    expect(child).toBeInstanceOf(Mm);
    expect(child).toMatchObject({ name: 'shell', pageTableBytes: 0 });
    expect(KINDS.map((kind) => child.counterSum(kind))).toEqual([0, 0, 0, 0]);
    child.addOn(1, 'anon', 7);
    child.fork().addOn(1, 'anon', 1);
    expect([parent.rssSum(), child.rssSum()]).toEqual([5_000, 7]);
    parent.destroy();
    expect(child.rssSum()).toBe(7);
    // mm, child, grandchild.
    expect(arena.size).toBe(12);
  });

  describe('destroy', () => {
    it('finds nothing leaked where all is given back, wherever that was', () => {
      for (const [i, kind] of KINDS.entries()) {
        mm.addOn(i, kind, 12_345);
        mm.addOn(200 + i, kind, -12_345);
      }
      expect(mm.destroy()).toEqual({ leaked: {} });
      expect(arena.size).toBe(0);
    });

    it('tells what has leaked, negative counts as they are', () => {
      mm.addOn(3, 'anon', 100);
      mm.addOn(250, 'anon', -98);
      mm.addOn(4, 'swap', -1);
      expect(mm.destroy()).toEqual({ leaked: { anon: 2, swap: -1 } });
    });

    it('is idempotent, and tells of leaks once', () => {
      mm.add('file', 1);
      expect(mm.destroy()).toEqual({ leaked: { file: 1 } });
      expect(mm.destroy()).toEqual({ leaked: {} });
      const successor = new Mm({ arena });
      mm.destroy();
      expect(successor.rssSum()).toBe(0);
      expect(arena.size).toBe(4);
    });

    it('is what leaving a using block does', () => {
      {
        using short = new Mm({ arena });
        short.add('anon', 1);
        expect(arena.size).toBe(8);
      }
      expect(arena.size).toBe(4);
      mm[Symbol.dispose]();
      mm[Symbol.dispose]();
      expect(arena.size).toBe(0);
    });

    it('leaves nothing to use', () => {
      mm.add('anon', 70_000);
      mm.destroy();
      const successor = new Mm({ arena });
      successor.add('anon', 3);
      const uses: (() => unknown)[] = [
        () => mm.rss(),
        () => mm.rssSum(),
        () => mm.rssBounds(),
        () => mm.swap(),
        () => mm.swapSum(),
        () => mm.fork(),
        ...KINDS.flatMap((kind) => [
          () => mm.add(kind, 1),
          () => mm.addOn(0, kind, 1),
          () => mm.counter(kind),
          () => mm.counterSum(kind),
        ]),
      ];
      for (const use of uses) expect(thrown(use), String(use)).toEqual(destroyed);
      expect(successor.rssSum()).toBe(3);
      expect(arena.size).toBe(4);
    });
  });

  it('uses memory again without remembering anything', () => {
    for (let life = 0; life < 20; life++) {
      const mms = Array.from({ length: 5 }, () => new Mm({ arena }));
      for (const [i, each] of mms.entries()) {
        expect(each.rssBounds()).toEqual({ min: 0, max: 3 * SLACK_256 });
        for (const kind of KINDS) each.addOn(7 * i + life, kind, 3_333 * (life - 9));
      }
      for (const each of mms) each.destroy();
    }
    expect(arena.size).toBe(4);
  });

  it('is exact to the largest safe integer, and refuses sums beyond', () => {
    mm.addOn(0, 'anon', Number.MAX_SAFE_INTEGER);
    expect(mm.rssSum()).toBe(Number.MAX_SAFE_INTEGER);
    expect(thrown(() => mm.rssBounds())).toEqual(rangeError('safe integer'));
    mm.addOn(0, 'file', Number.MAX_SAFE_INTEGER);
    for (const use of [() => mm.rss(), () => mm.rssSum(), () => mm.rssBounds()]) {
      expect(thrown(use), String(use)).toEqual(rangeError('safe integer'));
    }
    mm.addOn(0, 'swap', Number.MAX_SAFE_INTEGER);
    expect(thrown(() => mm.swap())).toEqual(rangeError('safe integer'));
    expect(mm.swapSum()).toBe(Number.MAX_SAFE_INTEGER);
    expect(mm.destroy().leaked).toEqual({
      file: Number.MAX_SAFE_INTEGER,
      anon: Number.MAX_SAFE_INTEGER,
      swap: Number.MAX_SAFE_INTEGER,
    });
  });

  it('takes 4 of the arena, and says when it is full', () => {
    const small = engine.arena({ cpus: 4, capacity: 6 });
    const only = new Mm({ arena: small });
    expect(thrown(() => new Mm({ arena: small }))).toEqual(percpuError('ERR_ARENA_FULL'));
    expect(thrown(() => only.fork())).toEqual(percpuError('ERR_ARENA_FULL'));
    expect(small.size).toBe(4);
    only.destroy();
    expect(new Mm({ arena: small }).rssSum()).toBe(0);
  });

  it('works on one CPU, where approximate is precise', () => {
    const single = new Mm({ arena: engine.arena({ cpus: 1 }) });
    single.add('anon', 17);
    expect([single.rss(), single.rssSum(), single.rssBounds()]).toEqual([17, 17, { min: 17, max: 17 }]);
  });
});

describe('Mm without an arena', () => {
  it('is in the default one', () => {
    const before = CounterArena.default.size;
    using mm = new Mm();
    mm.add('shmem', 8);
    expect(mm.counterSum('shmem')).toBe(8);
    expect(CounterArena.default.size).toBe(before + 4);
  });

  it('shares it with other counters', () => {
    using counter = new CounterTree();
    using mm = new Mm();
    counter.add(5);
    mm.add('anon', 6);
    expect([counter.preciseSum(), mm.rssSum()]).toEqual([5, 6]);
  });
});
