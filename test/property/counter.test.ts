import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CounterArena } from '../../lib/counter/arena.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { type TestEngine, usableEngines } from '../support/engines.js';
import { seeded } from '../support/random.js';
import { rangeError, thrown } from '../support/thrown.js';
import { itemsInMemory, TreeModel } from '../support/tree-model.js';

const cpuCount = fc.oneof(
  fc.integer({ min: 1, max: 512 }),
  fc.constantFrom(1, 2, 3, 4, 5, 8, 16, 17, 255, 256, 257, 512),
);
const batchSize = fc.integer({ min: 1, max: 12 }).map((log2) => 2 ** log2);
/** Small ones, ones around multiples of steps, and ones as large as they get. */
const delta = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -70, max: 70 }) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 24 }), fc.integer({ min: -2, max: 2 }), fc.boolean())
      .map(([log2, off, negative]) => (negative ? -1 : 1) * (2 ** log2 + off)),
  },
  { weight: 1, arbitrary: fc.maxSafeInteger() },
);
/** One thing done to a counter; `cpu` is taken modulo the CPUs there are. */
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ cpu: fc.nat(511), delta }) },
  { weight: 1, arbitrary: fc.record({ set: fc.oneof(fc.integer(), fc.maxSafeInteger()) }) },
);
type Step = { cpu: number; delta: number } | { set: number };

const isSafe = (value: bigint) => Number.isSafeInteger(Number(value)) && BigInt(Number(value)) === value;
const wrap = (value: bigint) => BigInt.asIntN(64, value);

/** One arena per engine and number of CPUs, for all cases: its counters' memory is used again and again. */
const arenas = new Map<string, CounterArena>();
function arenaFor(engine: TestEngine, cpus: number): CounterArena {
  const key = `${engine.name} ${cpus}`;
  const arena = arenas.get(key) ?? engine.arena({ cpus, capacity: 4 });
  arenas.set(key, arena);
  return arena;
}

/** A counter on each engine and the model of them all. */
class Counters {
  readonly model: TreeModel;
  readonly counters: readonly CounterTree[];
  readonly #cpus: number;

  constructor(cpus: number, batch: number, initial = 0) {
    this.#cpus = cpus;
    this.model = new TreeModel(cpus, batch);
    this.model.set(BigInt(initial));
    this.counters = usableEngines.map(
      (engine) => new CounterTree({ arena: arenaFor(engine, cpus), batchSize: batch, initial }),
    );
  }

  [Symbol.dispose](): void {
    for (const counter of this.counters) counter.destroy();
  }

  take(next: Step): void {
    if ('set' in next) {
      this.model.set(BigInt(next.set));
      for (const counter of this.counters) counter.set(next.set);
    } else {
      const cpu = next.cpu % this.#cpus;
      this.model.add(cpu, BigInt(next.delta));
      for (const counter of this.counters) counter.addOn(cpu, next.delta);
    }
  }

  /** Everything that holds after every step. */
  check(): void {
    const { precise, approximate, slack, accuracy } = this.model;
    const heldBack = wrap(precise - approximate);
    expect(0n <= heldBack && heldBack <= slack, `${heldBack} within 0 … ${slack}`).toBe(true);
    expect(-accuracy.over <= heldBack && heldBack <= accuracy.under).toBe(true);
    for (const counter of this.counters) {
      expect(counter.preciseSumBigInt()).toBe(precise);
      expect(counter.approximateSumBigInt()).toBe(approximate);
      expect(counter.accuracy).toEqual({ under: Number(accuracy.under), over: Number(accuracy.over) });
      checkSum(() => counter.preciseSum(), precise, 'preciseSumBigInt()');
      checkSum(() => counter.approximateSum(), approximate, 'approximateSumBigInt()');
      if (isSafe(approximate) && isSafe(approximate + slack)) {
        expect(counter.bounds()).toEqual({ min: Number(approximate), max: Number(approximate + slack) });
      } else {
        expect(thrown(() => counter.bounds())).toEqual(rangeError('BigInt()'));
      }
    }
  }
}

/** A sum is exactly itself, or a `RangeError` that names the method which always answers. */
function checkSum(sum: () => number, expected: bigint, twin: string): void {
  if (isSafe(expected)) expect(sum()).toBe(Number(expected));
  else expect(thrown(sum)).toEqual(rangeError(twin));
}

describe(`counters on ${usableEngines.map(({ name }) => name).join(', ')}`, { timeout: 60_000 }, () => {
  it('agree with the rules after every step, to the last item', () => {
    const property = fc.property(
      cpuCount,
      batchSize,
      fc.oneof(fc.constant(0), fc.maxSafeInteger()),
      fc.array(step, { maxLength: 60, size: 'max' }),
      (cpus, batch, initial, steps) => {
        using subject = new Counters(cpus, batch, initial);
        subject.check();
        for (const next of steps) {
          subject.take(next);
          subject.check();
        }
        for (const counter of subject.counters) {
          expect(itemsInMemory(counter)).toEqual(subject.model.items);
          if (subject.model.leaves.every(isSafe)) expect(counter.leaves()).toEqual(subject.model.leaves.map(Number));
        }
      },
    );
    fc.assert(property, seeded(300));
  });

  it('lose nothing: the root and all residues make up the sum of the leaves', () => {
    const property = fc.property(
      cpuCount,
      batchSize,
      fc.array(step, { maxLength: 100, size: 'max' }),
      (cpus, batch, steps) => {
        using subject = new Counters(cpus, batch);
        for (const next of steps) subject.take(next);
        const { model, counters } = subject;
        const residue = (value: bigint, modulus: bigint) => ((value % modulus) + modulus) % modulus;
        for (const counter of counters) {
          const items = itemsInMemory(counter);
          let sum = items.at(-1) ?? model.leaves[0]!;
          if (cpus > 1) for (const leaf of model.leaves) sum += residue(leaf, BigInt(batch));
          let first = 0;
          for (const level of model.levels.slice(0, -1)) {
            for (const item of items.slice(first, first + level.items.length)) sum += residue(item, level.step);
            first += level.items.length;
          }
          expect(wrap(sum)).toBe(wrap(model.leaves.reduce((total, leaf) => total + leaf, 0n)));
        }
      },
    );
    fc.assert(property, seeded(150));
  });

  it('wrap modulo 2^64 and answer in BigInt at the edges of 2^53 and 2^63', () => {
    const edge = fc.constantFrom(2n ** 53n, -(2n ** 53n), 2n ** 63n, -(2n ** 63n));
    const near = fc.bigInt({ min: -40n, max: 40n });
    const property = fc.property(
      fc.constantFrom(1, 2, 3, 8, 64),
      fc.constantFrom(2, 32, 4_096),
      edge,
      near,
      fc.array(fc.record({ cpu: fc.nat(63), delta: fc.integer({ min: -40, max: 40 }) }), {
        maxLength: 25,
        size: 'max',
      }),
      (cpus, batch, target, off, steps) => {
        using subject = new Counters(cpus, batch);
        // To the edge in the largest strides there are, all on one leaf, which is near the edge then as well.
        const stride = 2n ** 53n - 1n;
        let left = target + off;
        while (left !== 0n) {
          const by = left > stride ? stride : left < -stride ? -stride : left;
          subject.take({ cpu: cpus - 1, delta: Number(by) });
          left -= by;
        }
        subject.check();
        expect(subject.model.precise).toBe(wrap(target + off));
        for (const next of steps) {
          subject.take(next);
          subject.check();
        }
      },
    );
    fc.assert(property, seeded(25));
  });
});

describe('compare', { timeout: 60_000 }, () => {
  /** Sums that are close to each other more often than not, around 0 and around the end of the safe integers. */
  const start = fc.tuple(
    fc.constantFrom(0, 0, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 52),
    fc.integer({ min: -300, max: 300 }),
  );
  const operand = fc.record({
    cpus: fc.constantFrom(1, 2, 3, 8, 40),
    batch: fc.constantFrom(2, 4, 32, 1_024),
    start,
    adds: fc.array(fc.record({ cpu: fc.nat(39), delta: fc.integer({ min: -200, max: 200 }) }), {
      maxLength: 12,
      size: 'max',
    }),
  });

  function build({ cpus, batch, start: [base, off], adds }: typeof operand extends fc.Arbitrary<infer T> ? T : never) {
    const subject = new Counters(cpus, batch);
    subject.take({ set: base });
    for (const next of [{ cpu: 0, delta: off }, ...adds]) subject.take(next);
    return subject;
  }
  /** Brings the second counter to within two of the first, or leaves it where it is. */
  const closeness = fc.option(fc.record({ cpu: fc.nat(39), off: fc.integer({ min: -2, max: 2 }) }));
  function bringClose(a: Counters, b: Counters, close: { cpu: number; off: number } | null) {
    if (!close) return;
    const by = a.model.precise - b.model.precise + BigInt(close.off);
    if (isSafe(by)) b.take({ cpu: close.cpu, delta: Number(by) });
  }
  const signOf = (difference: bigint) => (difference > 0n ? 1 : difference < 0n ? -1 : 0);

  it('gives the sign of the difference of the precise sums', () => {
    const property = fc.property(operand, operand, closeness, fc.nat(), fc.nat(), (left, right, close, i, j) => {
      using a = build(left);
      using b = build(right);
      bringClose(a, b, close);
      const expected = signOf(a.model.precise - b.model.precise);
      const [first, second] = [a.counters[i % a.counters.length]!, b.counters[j % b.counters.length]!];
      expect([first.compare(second), second.compare(first)]).toEqual([expected, 0 - expected]);
      expect([first.compare(first), first.approximateCompare(first)]).toEqual([0, 0]);
    });
    fc.assert(property, seeded(1_000));
  });

  it('approximateCompare gives that sign as soon as the bounds part, and 0 before', () => {
    const property = fc.property(operand, operand, closeness, (left, right, close) => {
      using a = build(left);
      using b = build(right);
      bringClose(a, b, close);
      const [low, high] = [a.model.approximate, a.model.approximate + a.model.slack];
      const [otherLow, otherHigh] = [b.model.approximate, b.model.approximate + b.model.slack];
      const expected = low > otherHigh ? 1 : high < otherLow ? -1 : 0;
      if (expected !== 0) expect(signOf(a.model.precise - b.model.precise)).toBe(expected);
      expect(a.counters.map((counter, index) => counter.approximateCompare(b.counters[index]!))).toEqual(
        a.counters.map(() => expected),
      );
    });
    fc.assert(property, seeded(500));
  });

  it('takes numbers like counters that are exactly known', () => {
    const property = fc.property(operand, fc.integer({ min: -700, max: 700 }), fc.maxSafeInteger(), (one, off, far) => {
      using subject = build(one);
      const { model, counters } = subject;
      const near = isSafe(model.precise + BigInt(off)) ? Number(model.precise + BigInt(off)) : far;
      for (const other of [near, far]) {
        const low = model.approximate > BigInt(other);
        const high = model.approximate + model.slack < BigInt(other);
        for (const counter of counters) {
          expect(counter.compare(other)).toBe(signOf(model.precise - BigInt(other)));
          expect(counter.approximateCompare(other)).toBe(low ? 1 : high ? -1 : 0);
        }
      }
    });
    fc.assert(property, seeded(500));
  });
});
