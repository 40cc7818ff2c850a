import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { oomBadness } from '../../lib/oom/badness.js';
import { FallingMaximum } from '../../lib/oom/falling-maximum.js';
import type { OomTask } from '../../lib/oom/memory.js';
import { selectVictim } from '../../lib/oom/select-victim.js';
import { type FakeTask, fakeTask } from '../oom/fake-memory.js';
import { randomIntegers, seeded } from '../support/random.js';

/**
 * How tasks of one population differ: how large they get (small: many ties), how wide their bounds are at most, how
 * many of a hundred have no uncertainty at all, and how many of a hundred carry flags and an oom_score_adj.
 */
const population = fc.record({
  count: fc.oneof(
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 200 }),
    fc.integer({ min: 1, max: 2_000 }),
  ),
  largest: fc.constantFrom(3, 50, 10_000, 1_000_000),
  widest: fc.constantFrom(0, 2, 100, 24_576),
  exactPercent: fc.constantFrom(0, 10, 90),
  oddPercent: fc.constantFrom(0, 5, 60),
  shuffledPids: fc.boolean(),
  seed: fc.integer(),
  totalPages: fc.constantFrom(1, 999, 1_000, 1_000_000, 4_000_000_000),
});

type Population = typeof population extends fc.Arbitrary<infer T> ? T : never;

function tasksOf({ count, largest, widest, exactPercent, oddPercent, shuffledPids, seed }: Population): FakeTask[] {
  const below = randomIntegers(seed);
  const random = (max: number) => below(max + 1);
  return Array.from({ length: count }, (_, i) => {
    const width = random(100) < exactPercent ? 0 : widest;
    const odd = random(100) < oddPercent;
    return fakeTask(
      shuffledPids ? 2 + random(count) : 2 + i,
      {
        rss: random(largest),
        rssBelow: random(width),
        rssAbove: random(width),
        swap: random(4),
        swapBelow: random(Math.min(width, 3)),
        swapAbove: random(Math.min(width, 3)),
        pageTables: random(3),
      },
      odd ? { oomScoreAdj: random(2_000) - 1_000, skip: random(9) === 0, inVfork: random(9) === 0 } : {},
    );
  });
}

/** What the rules say, in so many words: the highest precise badness, the later scanned of equals. */
function truth(tasks: OomTask[], totalPages: number) {
  let victim: OomTask | null = null;
  let badness: number | null = null;
  for (const task of tasks) {
    const own = oomBadness(task, totalPages);
    if (own !== null && (badness === null || own >= badness)) [victim, badness] = [task, own];
  }
  return { victim, badness };
}

/** @returns what the two passes of the kernel series find and how many tasks they sum, from every task's true figures. */
function twoPasses(tasks: FakeTask[], totalPages: number, limit: number) {
  const ranges = tasks.flatMap((task) => {
    const precise = oomBadness(task, totalPages);
    if (precise === null) return [];
    const known = precise - task.mm.rssSum() - task.mm.swapSum();
    const [rss, swap] = [task.mm.rssBounds(), task.mm.swap()];
    return [{ task, precise, min: rss.min + swap.min + known, max: rss.max + swap.max + known }];
  });
  let bar = ranges.reduce((highest, { min }) => Math.max(highest, min), Number.NEGATIVE_INFINITY);
  let victim: OomTask | null = null;
  let sums = 0;
  let isWithinLimit = true;
  for (const { task, precise, min, max } of ranges) {
    if (max < bar) continue;
    const isOpen = max > min;
    if (isOpen && sums === limit) isWithinLimit = false;
    const known = isOpen && sums === limit ? min : precise;
    if (isOpen && sums < limit) sums++;
    if (known >= bar) [victim, bar] = [task, known];
  }
  return { victim, sums, isWithinLimit };
}

describe('selectVictim', () => {
  it('precise and exact find the truth, to the task', () => {
    const property = fc.property(population, (options) => {
      const tasks = tasksOf(options);
      const { totalPages } = options;
      const { victim, badness } = truth(tasks, totalPages);
      for (const strategy of ['precise', 'exact'] as const) {
        const selection = selectVictim(tasks, { totalPages, strategy });
        expect(selection.victim).toBe(victim);
        expect(selection).toMatchObject({ badness, certain: true, aborted: false, considered: tasks.length });
      }
    });
    fc.assert(property, seeded(300));
  });

  it('kernel takes the two passes as posted, finds it within its limit, and exact never sums more', () => {
    let within = 0;
    const property = fc.property(population, fc.constantFrom(undefined, 0, 3, 200), (options, maxPreciseSums) => {
      const tasks = tasksOf(options);
      const { totalPages } = options;
      const expected = twoPasses(tasks, totalPages, maxPreciseSums ?? 16);
      const kernel = selectVictim(tasks, {
        totalPages,
        strategy: 'kernel',
        ...(maxPreciseSums === undefined ? {} : { maxPreciseSums }),
      });
      expect(kernel.preciseSums).toBe(expected.sums);
      expect(kernel.victim).toBe(expected.victim);
      if (!expected.isWithinLimit) return;
      within++;
      const { victim, badness } = truth(tasks, totalPages);
      expect(kernel.victim).toBe(victim);
      expect(kernel).toMatchObject({ badness, certain: true });
      expect(selectVictim(tasks, { totalPages }).preciseSums).toBeLessThanOrEqual(kernel.preciseSums);
    });
    fc.assert(property, seeded(300));
    expect(within).toBeGreaterThan(50);
  });

  it('certain is never wrong', () => {
    const strategies = fc.constantFrom('exact', 'kernel', 'precise', 'approximate');
    const property = fc.property(population, strategies, fc.nat(40), (options, strategy, maxPreciseSums) => {
      const tasks = tasksOf(options);
      const { totalPages } = options;
      const { victim, certain } = selectVictim(tasks, { totalPages, strategy, maxPreciseSums });
      if (certain) expect(victim && oomBadness(victim, totalPages)).toBe(truth(tasks, totalPages).badness);
    });
    fc.assert(property, seeded(400));
  });

  it('meets a dying or origin task in scan order, and sums nobody before', () => {
    const flag = fc.constantFrom<Partial<OomTask>>({ dying: true }, { origin: true }, { dying: true, skip: true }, {});
    const property = fc.property(fc.array(flag, { maxLength: 30 }), (flags) => {
      const tasks = flags.map((each, i) => fakeTask(i + 2, { rss: i, rssAbove: 9 }, each));
      const ends = tasks.findIndex(({ dying, origin, skip }) => (dying && !skip) || (origin && !dying));
      const end = tasks[ends];
      const selection = selectVictim(tasks, { totalPages: 1_000 });
      expect(selection.aborted).toBe(end?.dying === true);
      expect(selection.considered).toBe(end ? ends + 1 : tasks.length);
      if (end) expect(selection.victim).toBe(end.dying ? null : end);
      if (end) expect(selection.preciseSums).toBe(end.dying ? 0 : 1);
    });
    fc.assert(property, seeded(300));
  });
});

describe('FallingMaximum', () => {
  it('gives what a full sort gives', () => {
    const property = fc.property(fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 200 }), (key) => {
      const indices = key.map((_, i) => i);
      const order = new FallingMaximum([...indices], key);
      const taken = [...indices, 'one more'].map(() => order.take());
      expect(taken).toEqual([...indices.sort((a, b) => key[b]! - key[a]! || b - a), undefined]);
    });
    fc.assert(property, seeded(300));
  });
});
