import { describe, expect, it } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { arenaInternals, counterInternals } from '../../lib/counter/internals.js';
import { slotAddresses } from '../../lib/counter/layout.js';
import { describeEngines } from '../support/engines.js';
import { destroyed, percpuError, thrown } from '../support/thrown.js';
import { itemsInMemory, slotOf } from '../support/tree-model.js';

const full = percpuError('ERR_ARENA_FULL', 'no room');

function leafAddress(counter: CounterTree): number {
  const { arena, slot } = counterInternals(counter);
  return slotAddresses(arena.layout, slot).leaf;
}

/** Leaves something in every word a counter has. */
function soil(counter: CounterTree): void {
  const cpus = counter.leaves().length;
  for (let cpu = 0; cpu < cpus; cpu++) counter.addOn(cpu, 1_000_033 * (cpu + 1));
  counter.set(12_345);
}

describeEngines('creating and destroying', (engine) => {
  it('counts live counters, up to the capacity', () => {
    const arena = engine.arena({ cpus: 8, capacity: 3 });
    expect(arena.size).toBe(0);
    const counters = [1, 2, 3].map((initial) => new CounterTree({ arena, initial }));
    expect(arena.size).toBe(3);
    expect(thrown(() => new CounterTree({ arena }))).toEqual(full);
    expect(thrown(() => CounterTree.createMany(1, { arena }))).toEqual(full);
    expect(arena.size).toBe(3);
    expect(counters.map((counter) => counter.preciseSum())).toEqual([1, 2, 3]);
    counters[1]!.destroy();
    expect(arena.size).toBe(2);
    expect(new CounterTree({ arena, initial: 4 }).preciseSum()).toBe(4);
    expect(arena.size).toBe(3);
    expect(counters.map((counter) => thrown(() => counter.preciseSum()))).toEqual([
      'nothing thrown',
      destroyed,
      'nothing thrown',
    ]);
  });

  it('makes all of createMany or none', () => {
    const arena = engine.arena({ cpus: 2, capacity: 10 });
    const kept = CounterTree.createMany(6, { arena, initial: 7, batchSize: 64 });
    expect(kept.map((counter) => [counter.preciseSum(), counter.batchSize])).toEqual(Array(6).fill([7, 64]));
    expect(thrown(() => CounterTree.createMany(5, { arena }))).toEqual(full);
    expect(arena.size).toBe(6);
    expect(thrown(() => CounterTree.createMany(11, { arena }))).toEqual(full);
    expect(arena.size).toBe(6);
    for (const counter of kept) counter.add(1);
    expect(kept.map((counter) => counter.preciseSum())).toEqual(Array(6).fill(8));
  });

  it('reuses the memory of a destroyed counter, zeroed', () => {
    const arena = engine.arena({ cpus: 8, capacity: 2 });
    const neighbour = new CounterTree({ arena, initial: 5 });
    for (let round = 0; round < 5; round++) {
      const counter = new CounterTree({ arena, batchSize: 2 ** (round + 1) });
      expect(slotOf(counter)).toBe(1);
      expect(counter.batchSize).toBe(2 ** (round + 1));
      expect(counter.leaves()).toEqual(Array(8).fill(0));
      expect(itemsInMemory(counter)).toEqual(Array(7).fill(0n));
      expect([counter.preciseSum(), counter.approximateSum()]).toEqual([0, 0]);
      soil(counter);
      expect(counter.preciseSum()).toBe(12_345);
      counter.destroy();
    }
    expect(neighbour.preciseSum()).toBe(5);
    expect(neighbour.leaves()).toEqual(Array(8).fill(0));
  });

  it('destroys once, and refuses every use from then on', () => {
    const arena = engine.arena({ cpus: 4, capacity: 2 });
    const counter = new CounterTree({ arena });
    const alive = new CounterTree({ arena });
    counter.add(3);
    counter.destroy();
    expect(() => counter.destroy()).not.toThrow();
    expect(() => counter[Symbol.dispose]()).not.toThrow();
    expect(arena.size).toBe(1);
    const uses: Record<string, () => unknown> = {
      add: () => counter.add(1),
      'add, wide': () => counter.add(2 ** 40),
      addOn: () => counter.addOn(0, 1),
      'addOn, wide': () => counter.addOn(0, 2 ** 40),
      approximateSum: () => counter.approximateSum(),
      preciseSum: () => counter.preciseSum(),
      approximateSumPositive: () => counter.approximateSumPositive(),
      preciseSumPositive: () => counter.preciseSumPositive(),
      approximateSumBigInt: () => counter.approximateSumBigInt(),
      preciseSumBigInt: () => counter.preciseSumBigInt(),
      bounds: () => counter.bounds(),
      compare: () => counter.compare(0),
      'compare with it': () => alive.compare(counter),
      approximateCompare: () => counter.approximateCompare(alive),
      'approximateCompare with it': () => alive.approximateCompare(counter),
      set: () => counter.set(1),
      leaves: () => counter.leaves(),
      share: () => counter.share(),
    };
    for (const [name, use] of Object.entries(uses)) expect(thrown(use), name).toEqual(destroyed);
    // The next counter at the same place is another one.
    const successor = new CounterTree({ arena, initial: 9 });
    expect(slotOf(successor)).toBe(0);
    for (const [name, use] of Object.entries(uses)) expect(thrown(use), name).toEqual(destroyed);
    counter.destroy();
    expect(successor.preciseSum()).toBe(9);
    expect(arena.size).toBe(2);
  });

  it('is disposed of at the end of a block', () => {
    const arena = engine.arena({ cpus: 2, capacity: 1 });
    {
      using counter = new CounterTree({ arena });
      counter.add(1);
      expect(arena.size).toBe(1);
    }
    expect(arena.size).toBe(0);
  });

  it('keeps counters apart that lie side by side', () => {
    const arena = engine.arena({ cpus: 6, capacity: 40 });
    const counters = CounterTree.createMany(40, { arena });
    for (const [index, counter] of counters.entries()) {
      for (let cpu = 0; cpu < 6; cpu++) counter.addOn(cpu, 1_000 * index + cpu);
    }
    for (const [index, counter] of counters.entries()) {
      expect(counter.leaves()).toEqual([0, 1, 2, 3, 4, 5].map((cpu) => 1_000 * index + cpu));
      expect(counter.preciseSum()).toBe(6_000 * index + 15);
      expect(counter.bounds().min).toBeLessThanOrEqual(6_000 * index + 15);
    }
  });

  it('puts the leaves of up to eight counters made together on one cache line per CPU', () => {
    const arena = engine.arena({ cpus: 4, capacity: 100 });
    for (const count of [1, 2, 3, 4, 5, 8, 2, 8]) {
      const addresses = CounterTree.createMany(count, { arena }).map(leafAddress);
      expect(addresses).toEqual(addresses.map((_, index) => addresses[0]! + 8 * index));
      expect(Math.floor(addresses[0]! / 64)).toBe(Math.floor(addresses.at(-1)! / 64));
    }
  });

  it('grows over several chunks', () => {
    const arena = engine.arena({ cpus: 2, capacity: 20_000 });
    const bytes = () => arenaInternals(arena).memory.words.byteLength;
    const before = bytes();
    const counters = CounterTree.createMany(20_000, { arena });
    expect(bytes()).toBeGreaterThan(before);
    expect(arena.size).toBe(20_000);
    expect(new Set(counters.map(slotOf)).size).toBe(20_000);
    for (const index of [0, 8_191, 8_192, 16_384, 19_999]) counters[index]!.addOn(1, index);
    const sums = counters.map((counter) => counter.preciseSum());
    expect(sums.filter((sum) => sum !== 0)).toEqual([8_191, 8_192, 16_384, 19_999]);
    expect(thrown(() => new CounterTree({ arena }))).toEqual(full);
    for (const counter of counters) counter.destroy();
    expect(arena.size).toBe(0);
    expect(CounterTree.createMany(20_000, { arena }).every((counter) => counter.preciseSum() === 0)).toBe(true);
  });

  it('uses all of the address space that WebAssembly has', () => {
    // Leaves of 2^20 CPUs: few counters, and most of them beyond 2 GiB.
    const arena = engine.arena({ cpus: 2 ** 20 });
    const counters: CounterTree[] = [];
    while (leafAddress(counters.at(-1) ?? counters[counters.push(new CounterTree({ arena })) - 1]!) < 2 ** 31) {
      counters.push(...CounterTree.createMany(8, { arena }));
    }
    const [first, last] = [counters[0]!, counters.at(-1)!];
    for (const [cpu, delta] of [
      [0, 40],
      [2 ** 19, -7],
      [2 ** 20 - 1, 2 ** 33],
    ] as const) {
      last.addOn(cpu, delta);
      first.addOn(cpu, 1);
    }
    expect(last.preciseSum()).toBe(2 ** 33 + 33);
    expect(first.preciseSum()).toBe(3);
    expect(last.bounds().min).toBeLessThanOrEqual(2 ** 33 + 33);
    expect(last.bounds().max).toBeGreaterThanOrEqual(2 ** 33 + 33);
    last.destroy();
    const again = new CounterTree({ arena });
    expect(slotOf(again)).toBeGreaterThan(0);
    expect(again.preciseSum()).toBe(0);
  });
});

describeEngines('sharing within a thread', (engine) => {
  it('attaches to the same counter and the same arena', () => {
    const arena = engine.arena({ cpus: 4, capacity: 2 });
    const counter = new CounterTree({ arena, batchSize: 128, initial: 10 });
    const attached = CounterTree.attach(counter.share());
    expect(CounterArena.attach(arena.share())).toBe(arena);
    expect(attached).not.toBe(counter);
    expect(attached.batchSize).toBe(128);
    attached.addOn(2, 200);
    counter.addOn(3, 5);
    expect([attached.preciseSum(), counter.preciseSum()]).toEqual([215, 215]);
    expect(attached.leaves()).toEqual(counter.leaves());
    expect(attached.bounds()).toEqual(counter.bounds());
    expect(attached.compare(counter)).toBe(0);
    expect(arena.size).toBe(1);
    attached.destroy();
    expect(arena.size).toBe(0);
    expect(thrown(() => counter.add(1))).toEqual(destroyed);
  });

  it('attaches by a handle that was cloned', () => {
    const counter = new CounterTree({ arena: engine.arena({ cpus: 4, capacity: 1 }), initial: 1 });
    const attached = CounterTree.attach(structuredClone(counter.share()));
    attached.add(1);
    expect(counter.preciseSum()).toBe(2);
  });

  it('does not attach to a destroyed counter, nor to what came after it', async () => {
    const arena = engine.arena({ cpus: 2, capacity: 2 });
    const counter = new CounterTree({ arena });
    const handle = counter.share();
    counter.destroy();
    expect(thrown(() => CounterTree.attach(handle))).toEqual(destroyed);
    await arena.ready(2);
    CounterTree.createMany(2, { arena });
    expect(thrown(() => CounterTree.attach(handle))).toEqual(destroyed);
    expect(arena.size).toBe(2);
  });
});

describe('memory of a counter', () => {
  it.each([1, 10, 100, 511, 512, 513, 1_000, 5_000, 8_192, 8_193, 10_000, 100_000, 900_000, undefined])(
    '256 CPUs, capacity %s: within 5 %% of the least that is needed',
    (capacity) => {
      const arena = new CounterArena({ cpus: 256, ...(capacity === undefined ? {} : { capacity }) });
      expect(arena.bytesPerCounter).toBeLessThanOrEqual(4_416 * 1.05);
      expect(arena.bytesPerCounter).toBeGreaterThanOrEqual(4_416);
    },
  );

  it('256 CPUs: so much the memory grows indeed', () => {
    const arena = new CounterArena({ cpus: 256, capacity: 8_192 });
    CounterTree.createMany(8_192, { arena });
    const { byteLength } = arenaInternals(arena).memory.words;
    expect(byteLength / 8_192).toBeLessThanOrEqual(4_416 * 1.05);
  });
});
