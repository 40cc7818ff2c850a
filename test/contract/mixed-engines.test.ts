import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { arenaInternals, counterInternals } from '../../lib/counter/internals.js';
import { percpu, TestWorker, terminateWorkers } from '../support/built.js';
import { usableEngines } from '../support/engines.js';
import { randomIntegers, testSeed } from '../support/random.js';
import { destroyed, thrown } from '../support/thrown.js';
import { itemsInMemory, TreeModel } from '../support/tree-model.js';

const names = usableEngines.map(({ name }) => name).join(', ');

describe(`engines side by side on one memory: ${names}`, () => {
  it.each(usableEngines.flatMap((owner) => [1, 2, 3, 8, 64, 300, 1_024].map((cpus) => ({ owner, cpus }))))(
    'an arena of $owner.name with $cpus CPUs: any engine adds, all of them agree',
    ({ owner, cpus }) => {
      const arena = owner.arena({ cpus, capacity: 1 });
      const counter = new CounterTree({ arena, batchSize: 4 });
      const { memory, layout } = arenaInternals(arena);
      const { descriptor, generation } = counterInternals(counter);
      // An arena made for 'ts' lies in a SharedArrayBuffer, where WebAssembly cannot reach.
      const others = usableEngines
        .filter(({ name }) => name !== 'wasm' || owner.name !== 'ts')
        .map(({ factory }) => factory(memory, layout));
      let model = new TreeModel(cpus, 4);
      const random = randomIntegers(testSeed);
      for (let i = 0; i < 300; i++) {
        const message = `SEED=${testSeed}, add ${i}`;
        const engine = others[random(others.length)]!;
        const cpu = random(cpus);
        const delta = random(3) === 0 ? random(2 ** 20) - 2 ** 19 : random(40) - 15;
        engine[random(2) === 0 ? 'add' : 'addOn'](descriptor, generation, cpu, delta);
        model.add(cpu, BigInt(delta));
        if (i % 50 === 25) {
          engine.set(descriptor, 1_000 * i);
          model.set(BigInt(1_000 * i));
        }
        for (const reader of others) {
          expect(reader.approximateSumBigInt(descriptor), message).toBe(model.approximate);
          expect(reader.preciseSumBigInt(descriptor), message).toBe(model.precise);
          expect(reader.approximateSum(descriptor, generation), message).toBe(Number(model.approximate));
          expect(reader.preciseSum(descriptor, generation), message).toBe(Number(model.precise));
          expect(reader.leaf(descriptor, cpu), message).toBe(model.leaves[cpu]);
        }
      }
      expect(itemsInMemory(counter), `SEED=${testSeed}`).toEqual(model.items);
      // Each engine knows when a counter is gone, and each clears the whole of it.
      for (const engine of others) {
        expect(engine.add(descriptor, generation + 2, 0, 1)).toBe(1);
        expect(thrown(() => engine.addOn(descriptor, generation + 2, 0, 1))).toEqual(destroyed);
        expect(thrown(() => engine.approximateSum(descriptor, generation + 2))).toEqual(destroyed);
        expect(thrown(() => engine.preciseSum(descriptor, generation + 2))).toEqual(destroyed);
        expect(counter.preciseSumBigInt()).toBe(model.precise);
        counter.addOn(cpus - 1, 1_000_001);
        engine.clear(descriptor, layout.itemLines);
        model = new TreeModel(cpus, 4);
        expect(counter.leaves().every((leaf) => leaf === 0)).toBe(true);
        expect(itemsInMemory(counter).every((item) => item === 0n)).toBe(true);
        expect([counter.preciseSum(), counter.approximateSum()]).toEqual([0, 0]);
      }
    },
  );
});

describe('engines in several threads on one memory', () => {
  let workers: TestWorker[];
  beforeAll(() => {
    workers = [new TestWorker(), new TestWorker()];
  });
  afterAll(terminateWorkers);

  it('an arena of wasm is attached by another thread with either engine', async () => {
    const arena = new percpu.CounterArena({ cpus: 8, capacity: 1, engine: 'wasm' });
    const counter = new percpu.CounterTree({ arena, batchSize: 2 });
    const handle = counter.share();
    const additions = (['wasm', 'ts'] as const).map((name, index) =>
      workers[index]!.call('add', {
        counter: { ...handle, arena: { ...handle.arena, engine: name } },
        times: 20_000,
        delta: 2 * index + 1,
      }),
    );
    for (let i = 0; i < 5_000; i++) counter.addOn(i % 8, -1);
    expect(await Promise.all(additions)).toMatchObject([{ engine: 'wasm' }, { engine: 'ts' }]);
    expect(counter.preciseSum()).toBe(20_000 + 60_000 - 5_000);
    const { min, max } = counter.bounds();
    expect(min <= 75_000 && 75_000 <= max, `${min} … ${max}`).toBe(true);
  });
});
