import { beforeEach, describe, expect, it } from 'vitest';
import type { CounterArena } from '../../lib/counter/arena.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { describeEngines } from '../support/engines.js';
import { rangeError, thrown } from '../support/thrown.js';
import { addOnAnyCpu, TreeModel } from '../support/tree-model.js';

/** Bounds at batch 32, worked out from the rules by hand. */
const SHAPES = [
  { cpus: 1, levels: 0, items: 0, slack: 0, under: 0, over: 0 },
  { cpus: 2, levels: 1, items: 1, slack: 62, under: 64, over: 62 },
  { cpus: 3, levels: 2, items: 3, slack: 157, under: 256, over: 248 },
  { cpus: 6, levels: 3, items: 7, slack: 442, under: 768, over: 744 },
  { cpus: 8, levels: 3, items: 7, slack: 504, under: 768, over: 744 },
  { cpus: 64, levels: 3, items: 21, slack: 5_056, under: 6_144, over: 5_952 },
  { cpus: 256, levels: 3, items: 37, slack: 22_272, under: 24_576, over: 23_808 },
  { cpus: 384, levels: 3, items: 73, slack: 40_576, under: 49_152, over: 47_616 },
  { cpus: 512, levels: 3, items: 73, slack: 44_544, under: 49_152, over: 47_616 },
  { cpus: 4096, levels: 4, items: 585, slack: 471_040, under: 524_288, over: 507_904 },
];

describeEngines('every shape', (engine) => {
  describe.each(SHAPES)('$cpus CPUs', ({ cpus, levels, items, slack, under, over }) => {
    let arena: CounterArena;
    let counter: CounterTree;
    beforeEach(() => {
      arena = engine.arena({ cpus, capacity: 8 });
      counter = new CounterTree({ arena });
    });

    it('has the shape, and says so', () => {
      expect(arena.shape).toMatchObject({ cpus, levels, items });
      expect(counter.accuracy).toEqual({ under, over });
      expect(counter.batchSize).toBe(32);
      expect(counter.leaves()).toEqual(Array(cpus).fill(0));
    });

    it('begins at 0', () => {
      expect(counter.preciseSum()).toBe(0);
      expect(counter.approximateSum()).toBe(0);
      expect(counter.bounds()).toEqual({ min: 0, max: slack });
    });

    it('sums what is added on each CPU', () => {
      const expected = Array.from({ length: cpus }, (_, cpu) => (cpu % 2 === 0 ? 1 : -1) * (7 * cpu + 3));
      for (const [cpu, delta] of expected.entries()) counter.addOn(cpu, delta);
      const total = expected.reduce((sum, value) => sum + value, 0);
      expect(counter.leaves()).toEqual(expected);
      expect(counter.preciseSum()).toBe(total);
      expect(counter.preciseSumBigInt()).toBe(BigInt(total));
      const { min, max } = counter.bounds();
      expect(min).toBe(counter.approximateSum());
      expect(max - min).toBe(slack);
      expect(total).toBeGreaterThanOrEqual(min);
      expect(total).toBeLessThanOrEqual(max);
    });

    it('reaches its tight bound exactly, and no further', () => {
      const { levels: modelLevels } = new TreeModel(cpus, 32);
      let below = 32;
      let held = 0;
      // What a level holds back at most skips the levels below it and stays where it is put.
      for (const level of modelLevels.slice(0, -1)) {
        const step = Number(level.step);
        for (let cpu = 0; cpu < level.items.length; cpu++) counter.addOn(cpu, step - below);
        held += level.items.length * (step - below);
        below = step;
      }
      if (cpus > 1) for (let cpu = 0; cpu < cpus; cpu++) counter.addOn(cpu, 31);
      if (cpus > 1) held += 31 * cpus;
      expect(counter.approximateSum()).toBe(0);
      expect(counter.preciseSum()).toBe(held);
      expect(counter.bounds()).toEqual({ min: 0, max: held });
      // One more, and carries of one step each run up all levels.
      counter.addOn(0, 1);
      expect(counter.approximateSum()).toBe(cpus === 1 ? 1 : below);
      expect(counter.preciseSum()).toBe(held + 1);
    });

    it('takes an add on the caller’s CPU, whatever its number', () => {
      for (let i = 0; i < 100; i++) counter.add(i);
      expect(counter.preciseSum()).toBe(4_950);
      expect(counter.leaves().reduce((sum, value) => sum + value, 0)).toBe(4_950);
    });

    it('counts right for CPU numbers beyond the shape', () => {
      const numbers = [cpus, cpus + 1, 2 * cpus - 1, 1_023, 1_024, 100_000, 2 ** 20, 2 ** 31 - 1, -1, -(2 ** 31)];
      let total = 0;
      for (const [index, cpu] of numbers.entries()) {
        addOnAnyCpu(arena, counter, cpu, 1_000 + index);
        total += 1_000 + index;
        const { min, max } = counter.bounds();
        expect(counter.preciseSum()).toBe(total);
        expect(min <= total && total <= max, `${min} <= ${total} <= ${max}`).toBe(true);
      }
    });

    it('is exact again after everything is taken back', () => {
      for (let cpu = 0; cpu < cpus; cpu++) counter.addOn(cpu, 1_000_003 + cpu);
      for (let cpu = 0; cpu < cpus; cpu++) counter.addOn(cpu, -(1_000_003 + cpu));
      expect(counter.leaves()).toEqual(Array(cpus).fill(0));
      expect(counter.preciseSum()).toBe(0);
      expect(counter.approximateSum()).toBeLessThanOrEqual(0);
      expect(counter.approximateSum()).toBeGreaterThanOrEqual(-slack);
    });
  });
});

describeEngines('counters', (engine) => {
  it.each([2, 4, 32, 64, 4_096, 2 ** 20, 2 ** 30])('batch %i: the leaf holds back up to batch - 1', (batchSize) => {
    const counter = new CounterTree({ arena: engine.arena({ cpus: 2, capacity: 1 }), batchSize });
    expect(counter.batchSize).toBe(batchSize);
    expect(counter.accuracy).toEqual({ under: 2 * batchSize, over: 2 * (batchSize - 1) });
    counter.addOn(1, batchSize - 1);
    expect(counter.approximateSum()).toBe(0);
    expect(counter.bounds()).toEqual({ min: 0, max: 2 * (batchSize - 1) });
    counter.addOn(1, 1);
    expect(counter.approximateSum()).toBe(batchSize);
    expect(counter.preciseSum()).toBe(batchSize);
  });

  it('clamps at 0 on request', () => {
    const counter = new CounterTree({ arena: engine.arena({ cpus: 8, capacity: 1 }) });
    counter.addOn(0, -1);
    expect(counter.approximateSum()).toBe(-128);
    expect(counter.approximateSumPositive()).toBe(0);
    expect(counter.preciseSum()).toBe(-1);
    expect(counter.preciseSumPositive()).toBe(0);
    counter.addOn(0, 1_000);
    expect(counter.approximateSumPositive()).toBe(counter.approximateSum());
    expect(counter.preciseSumPositive()).toBe(999);
  });

  it('takes every safe integer as a delta', () => {
    const counter = new CounterTree({ arena: engine.arena({ cpus: 3, capacity: 1 }) });
    const deltas = [0, -0, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, -(2 ** 31) - 1, 2 ** 32, 2 ** 40 + 1, -(2 ** 52) + 3];
    let total = 0n;
    for (const [index, delta] of deltas.entries()) {
      counter.addOn(index % 3, delta);
      total += BigInt(delta);
      expect(counter.preciseSumBigInt()).toBe(total);
    }
    expect(counter.preciseSum()).toBe(Number(total));
  });

  it('begins where it is told', () => {
    for (const initial of [1, -1, 31, 32, 1_000_000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      const counter = new CounterTree({ arena: engine.arena({ cpus: 6, capacity: 1 }), initial });
      expect(counter.preciseSum()).toBe(initial);
      expect(counter.approximateSum()).toBe(initial);
      expect(counter.leaves()).toEqual([0, 0, 0, 0, 0, 0]);
    }
  });

  it('set changes the sums and leaves the leaves', () => {
    const counter = new CounterTree({ arena: engine.arena({ cpus: 2, capacity: 1 }), initial: 5 });
    counter.addOn(0, 70);
    counter.addOn(1, -1);
    // Leaves 70 and -1 have carried 64 and -32 to the root.
    expect(counter.approximateSum()).toBe(5 + 32);
    expect(counter.preciseSum()).toBe(5 + 69);
    counter.set(1_000);
    expect(counter.preciseSum()).toBe(1_000);
    expect(counter.approximateSum()).toBe(1_000 - 37);
    expect(counter.leaves()).toEqual([70, -1]);
    counter.addOn(1, 1);
    expect(counter.preciseSum()).toBe(1_001);
    expect(counter.approximateSum()).toBe(1_001 - 6);
    counter.set(-3);
    expect(counter.preciseSum()).toBe(-3);
    counter.set(0);
    expect(counter.preciseSum()).toBe(0);
  });

  it('answers in BigInt beyond the safe integers, and names the method where it does not answer', () => {
    const counter = new CounterTree({ arena: engine.arena({ cpus: 2, capacity: 1 }), initial: 2 ** 53 - 1 });
    expect(counter.preciseSum()).toBe(2 ** 53 - 1);
    expect(thrown(() => counter.bounds())).toEqual(rangeError('bounds()', 'BigInt()'));
    counter.addOn(0, 1);
    expect(counter.preciseSumBigInt()).toBe(2n ** 53n);
    expect(thrown(() => counter.preciseSum())).toEqual(rangeError('preciseSumBigInt()'));
    expect(thrown(() => counter.preciseSumPositive())).toEqual(rangeError('preciseSumBigInt()'));
    expect(counter.approximateSum()).toBe(2 ** 53 - 1);
    counter.addOn(0, 31);
    expect(thrown(() => counter.approximateSum())).toEqual(rangeError('approximateSumBigInt()'));
    expect(thrown(() => counter.approximateSumPositive())).toEqual(rangeError('approximateSumBigInt()'));
    expect(counter.approximateSumBigInt()).toBe(2n ** 53n + 31n);
    counter.addOn(1, 2 ** 53 - 1);
    counter.addOn(1, 2);
    expect(thrown(() => counter.leaves())).toEqual(rangeError('leaves()', 'BigInt()'));
    expect(counter.preciseSumBigInt()).toBe(2n ** 54n + 32n);
  });

  it('wraps at 64 bits, both ways', () => {
    const counter = new CounterTree({ arena: engine.arena({ cpus: 1, capacity: 1 }) });
    const most = 2 ** 53 - 1;
    for (let i = 0; i < 1_024; i++) counter.addOn(0, most);
    counter.addOn(0, 1_023);
    expect(counter.preciseSumBigInt()).toBe(2n ** 63n - 1n);
    expect(counter.approximateSumBigInt()).toBe(2n ** 63n - 1n);
    counter.addOn(0, 1);
    expect(counter.preciseSumBigInt()).toBe(-(2n ** 63n));
    expect(counter.approximateSumBigInt()).toBe(-(2n ** 63n));
    counter.addOn(0, -1);
    expect(counter.preciseSumBigInt()).toBe(2n ** 63n - 1n);
  });
});

describeEngines('comparison', (engine) => {
  const pair = (cpus = 8) => {
    const arena = engine.arena({ cpus, capacity: 4 });
    return [new CounterTree({ arena }), new CounterTree({ arena })] as const;
  };

  it('decides by bounds alone where they do not overlap', () => {
    const [a, b] = pair();
    a.set(1_009);
    b.set(504);
    expect(a.approximateCompare(b)).toBe(1);
    expect(b.approximateCompare(a)).toBe(-1);
    a.set(1_008);
    expect(a.approximateCompare(b)).toBe(0);
    expect(b.approximateCompare(a)).toBe(0);
    expect(a.compare(b)).toBe(1);
    expect(b.compare(a)).toBe(-1);
  });

  it('sees a difference of one that the approximate sums have the wrong way round', () => {
    const [a, b] = pair(2);
    a.addOn(0, 32);
    b.addOn(0, 31);
    b.addOn(1, 2);
    expect(a.approximateSum()).toBeGreaterThan(b.approximateSum());
    expect(a.compare(b)).toBe(-1);
    expect(b.compare(a)).toBe(1);
    a.addOn(1, 1);
    expect(a.compare(b)).toBe(0);
    expect(b.compare(a)).toBe(0);
    a.addOn(1, 1);
    expect(a.compare(b)).toBe(1);
  });

  it('compares with itself and with numbers', () => {
    const [a] = pair();
    a.addOn(3, 100);
    expect(a.compare(a)).toBe(0);
    expect(a.approximateCompare(a)).toBe(0);
    expect([99, 100, 101].map((value) => a.compare(value))).toEqual([1, 0, -1]);
    const { min, max } = a.bounds();
    expect([min - 1, min, max, max + 1].map((value) => a.approximateCompare(value))).toEqual([1, 0, 0, -1]);
    expect(a.compare(Number.MAX_SAFE_INTEGER)).toBe(-1);
    expect(a.compare(Number.MIN_SAFE_INTEGER)).toBe(1);
  });

  it('compares counters of different arenas and batch sizes', () => {
    const wide = new CounterTree({ arena: engine.arena({ cpus: 512, capacity: 1 }), batchSize: 4_096 });
    const narrow = new CounterTree({ arena: engine.arena({ cpus: 2, capacity: 1 }), batchSize: 2 });
    for (let cpu = 0; cpu < 512; cpu++) wide.addOn(cpu, 4_095);
    narrow.set(512 * 4_095);
    expect(wide.approximateSum()).toBe(0);
    expect([wide.compare(narrow), narrow.compare(wide)]).toEqual([0, 0]);
    narrow.addOn(0, 1);
    expect([wide.compare(narrow), narrow.compare(wide)]).toEqual([-1, 1]);
    narrow.addOn(1, -2);
    expect([wide.compare(narrow), narrow.compare(wide)]).toEqual([1, -1]);
    expect([wide.approximateCompare(narrow), narrow.approximateCompare(wide)]).toEqual([0, 0]);
  });

  it('takes a 1-CPU counter as exactly known', () => {
    const [a, b] = pair(1);
    a.addOn(0, 1);
    expect(a.approximateCompare(b)).toBe(1);
    expect(b.approximateCompare(a)).toBe(-1);
    expect(a.approximateCompare(1)).toBe(0);
  });

  it('is right beyond the safe integers as well', () => {
    const [a, b] = pair(8);
    for (const counter of [a, b]) for (let i = 0; i < 3; i++) counter.addOn(i, 2 ** 53 - 1);
    expect(a.compare(b)).toBe(0);
    b.addOn(7, 1);
    expect([a.compare(b), b.compare(a)]).toEqual([-1, 1]);
    expect(a.compare(Number.MAX_SAFE_INTEGER)).toBe(1);
    for (const counter of [a, b]) for (let i = 0; i < 6; i++) counter.addOn(i, -(2 ** 53 - 1));
    expect([a.compare(b), b.compare(a)]).toEqual([-1, 1]);
    expect(a.compare(Number.MIN_SAFE_INTEGER)).toBe(-1);
  });

  it('is right at the edge of the safe integers, where one approximate sum is safe and the other is not', () => {
    const arena = engine.arena({ cpus: 2, capacity: 2 });
    const a = new CounterTree({ arena, batchSize: 2, initial: 2 ** 53 - 1 });
    const b = new CounterTree({ arena, batchSize: 2, initial: 2 ** 53 - 1 });
    a.addOn(0, 2);
    b.addOn(0, 1);
    b.addOn(1, 1);
    // Both are 2^53 + 1; the one shows all of it, the other only 2^53 - 1.
    expect([a.preciseSumBigInt(), b.preciseSumBigInt()]).toEqual([2n ** 53n + 1n, 2n ** 53n + 1n]);
    expect([a.approximateCompare(b), b.approximateCompare(a)]).toEqual([0, 0]);
    expect([a.compare(b), b.compare(a)]).toEqual([0, 0]);
  });
});
