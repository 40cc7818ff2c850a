import { expect, it } from 'vitest';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { describeEngines } from '../support/engines.js';

const MAX = 2n ** 63n - 1n;

/** Adds as much to one counter as it takes to hold that sum. */
function counterAt(counter: CounterTree, sum: bigint): CounterTree {
  const step = BigInt(Number.MAX_SAFE_INTEGER);
  for (let left = sum; left !== 0n; ) {
    const delta = left > step ? step : left < -step ? -step : left;
    counter.addOn(Number(left & 1n), Number(delta));
    left -= delta;
  }
  return counter;
}

const signOf = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0);

describeEngines('comparing at the ends of 64 bits', (engine) => {
  it('goes by the precise sums, wrapped around or not, and never guesses otherwise', () => {
    const arena = engine.arena({ cpus: 4, capacity: 100 });
    // Held back in leaves: the root of each is behind, by more than what is missing to the end of the range.
    const sums = [MAX, MAX - 1n, MAX - 40n, MAX - 500n, -MAX - 1n, -MAX, -MAX + 60n, 0n, 2n ** 53n, -(2n ** 53n)];
    const counters = sums.map((sum) => counterAt(new CounterTree({ arena, batchSize: 32 }), sum));
    // These have crossed the end: their root is still before it.
    const crossed = [MAX, MAX - 3n].map((sum) => counterAt(new CounterTree({ arena, batchSize: 32 }), sum));
    for (const counter of crossed) for (let i = 0; i < 5; i++) counter.addOn(2, 1);
    expect(crossed.map((counter) => counter.preciseSumBigInt())).toEqual([-MAX - 1n + 4n, -MAX - 1n + 1n]);
    expect(crossed.every((counter) => counter.approximateSumBigInt() > 0n)).toBe(true);
    const all = [...counters, ...crossed];
    for (const [i, a] of all.entries()) {
      for (const [j, b] of all.entries()) {
        const sign = signOf(a.preciseSumBigInt(), b.preciseSumBigInt());
        expect(a.compare(b), `${i} with ${j}`).toBe(sign);
        expect([0, sign], `${i} with ${j}`).toContain(a.approximateCompare(b));
      }
      for (const number of [0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
        const sign = signOf(a.preciseSumBigInt(), BigInt(number));
        expect(a.compare(number), `${i} with ${number}`).toBe(sign);
        expect([0, sign], `${i} with ${number}`).toContain(a.approximateCompare(number));
      }
    }
  });
});
