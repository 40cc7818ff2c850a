import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CounterArena } from '../../lib/counter/arena.js';
import type { CounterTree } from '../../lib/counter/counter-tree.js';
import { native } from '../../lib/native/native.js';
import { percpu, TestWorker, terminateWorkers } from '../support/built.js';
import { Gate } from '../support/gate.js';
import { randomIntegers, testSeed } from '../support/random.js';

const ROUNDS = 50;
const ADDERS = 8;
const ENGINES = ['wasm', 'ts'] as const;
/** Two native threads per CPU add as well, where there is the addon. */
const nativeThreads = native.addon ? 'and 2 native threads per CPU' : `(no native threads: ${native.reason})`;

/** Adders, and two that create, read, attach and destroy. */
let workers: TestWorker[];
beforeAll(async () => {
  workers = Array.from({ length: ADDERS + 2 }, () => new TestWorker());
  await Promise.all(workers.map((worker) => worker.call('ready')));
});
afterAll(terminateWorkers);

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

describe(`${ADDERS} workers ${nativeThreads} on the same counters, in ${ROUNDS} rounds`, () => {
  const shapes = [
    { engine: 'wasm', cpus: 2 },
    { engine: 'wasm', cpus: 8 },
    { engine: 'wasm', cpus: 256 },
    { engine: 'ts', cpus: 8 },
    { engine: 'wasm', cpus: 1 },
  ] as const;

  async function addNatively(counter: CounterTree, delta: number): Promise<number> {
    if (!native.addon) return 0;
    const runs = await percpu.runOnCpus({ counter, iterations: 40_000, delta, threadsPerCpu: 2 });
    return total(runs.map(({ iterations }) => iterations)) * delta;
  }

  it.each(shapes)('$engine, $cpus CPUs', { timeout: 60_000 }, async ({ engine, cpus }) => {
    const arena = new percpu.CounterArena({ cpus, engine });
    const random = randomIntegers(testSeed);
    for (let round = 0; round < ROUNDS / shapes.length; round++) {
      const message = `SEED=${testSeed}, round ${round}`;
      const counters = percpu.CounterTree.createMany(3, { arena, batchSize: 2 ** (1 + random(6)) });
      const handles = counters.map((counter) => counter.share());
      const gate = new Gate();
      const adding = workers
        .slice(0, ADDERS)
        .map((worker) =>
          worker.call<number[]>('count', { counters: handles, times: 4_000, seed: random(2 ** 31), gate: gate.buffer }),
        );
      const churning = workers.slice(ADDERS).map((worker) =>
        worker.call('churn', {
          arena: arena.share(),
          counters: handles,
          times: 80,
          seed: random(2 ** 31),
          gate: gate.buffer,
        }),
      );
      gate.open();
      const natively = await Promise.all([addNatively(counters[0]!, 3), addNatively(counters[1]!, -1)]);
      const added = await Promise.all(adding);
      await Promise.all(churning);
      for (const [index, counter] of counters.entries()) {
        const expected = total(added.map((sums) => sums[index]!)) + (natively[index] ?? 0);
        expect(counter.preciseSum(), message).toBe(expected);
        const { min, max } = counter.bounds();
        expect(min <= expected && expected <= max, `${message}: ${min} <= ${expected} <= ${max}`).toBe(true);
        const { under, over } = counter.accuracy;
        const approximate = counter.approximateSum();
        expect(expected - under <= approximate && approximate <= expected + over, message).toBe(true);
        counter.destroy();
      }
      expect(arena.size, message).toBe(0);
    }
  });
});

describe('an arena that several threads make grow', () => {
  /** Three chunks of 8,192 slots. */
  const capacity = 24_576;

  it.each(ENGINES)('one creates, the others use what it created at once (%s)', { timeout: 30_000 }, async (engine) => {
    const arena = new percpu.CounterArena({ cpus: 2, capacity, engine });
    const { memory } = arena.share();
    const bytes = () => (memory instanceof SharedArrayBuffer ? memory : memory.buffer).byteLength;
    const seen = new Set<number>();
    const counters: CounterTree[] = [];
    // Runs that fill a chunk, end within one, and end where one ends.
    for (const run of [8_192, 4_096, 4_000, 96, 8_192]) {
      const some = percpu.CounterTree.createMany(run, { arena, batchSize: 2 });
      counters.push(...some);
      seen.add(bytes());
      const used = [some[0]!, some[some.length >> 1]!, some.at(-1)!];
      await Promise.all(
        used.flatMap((counter) => {
          const shared = counter.share();
          return workers.map((worker) => worker.call('add', { counter: shared, times: 50, cpu: 1, delta: 3 }));
        }),
      );
      for (const counter of used) {
        expect(counter.preciseSum()).toBe(150 * workers.length);
        expect(counter.bounds().min).toBeLessThanOrEqual(150 * workers.length);
      }
    }
    expect(seen.size).toBeGreaterThanOrEqual(3);
    expect(arena.size).toBe(capacity);
  });

  it.each(ENGINES)('another creates, this one uses it (%s)', { timeout: 30_000 }, async (engine) => {
    const arena = new percpu.CounterArena({ cpus: 2, capacity, engine });
    const [creator, bystander] = workers as [TestWorker, TestWorker];
    const before = new percpu.CounterTree({ arena });
    for (let chunk = 0; chunk < 2; chunk++) {
      await creator.call('createUntilFull', { arena: arena.share(), run: 8_192, times: 1 });
      before.add(1);
      const handle = await creator.call<ReturnType<CounterTree['share']>>('create', {
        arena: arena.share(),
        name: 'c',
      });
      const counter = percpu.CounterTree.attach(handle);
      counter.add(5);
      await bystander.call('add', { counter: handle, times: 10 });
      expect(counter.preciseSum()).toBe(15);
    }
    expect(before.preciseSum()).toBe(2);
  });

  it.each(ENGINES.flatMap((engine) => [1, 128, 4_096].map((run) => ({ engine, run }))))(
    'all create in runs of $run until it is full: every slot is handed out, once ($engine)',
    { timeout: 60_000 },
    async ({ engine, run }) => {
      for (let round = 0; round < (run === 1 ? 2 : 6); round++) {
        const arena: CounterArena = new percpu.CounterArena({ cpus: 2, capacity, engine });
        const gate = new Gate();
        const creating = workers.slice(0, 4).map((worker) =>
          worker.call<{ made: number; code: string }>('createUntilFull', {
            arena: arena.share(),
            run,
            gate: gate.buffer,
          }),
        );
        gate.open();
        const results = await Promise.all(creating);
        expect(results.map(({ code }) => code)).toEqual(Array(4).fill('ERR_ARENA_FULL'));
        const made = total(results.map((result) => result.made));
        expect(arena.size).toBe(made);
        expect(made).toBeLessThanOrEqual(capacity);
        // Where runs have left gaps, counters one by one fill them.
        for (let slot = made; slot < capacity; slot++) new percpu.CounterTree({ arena });
        expect(arena.size).toBe(capacity);
      }
    },
  );
});

describe('a counter that one thread destroys while others add', () => {
  it.each(ENGINES)(
    'is gone for all of them, and its memory gets nothing more (%s)',
    { timeout: 30_000 },
    async (engine) => {
      const arena = new percpu.CounterArena({ cpus: 8, capacity: 1, engine });
      for (let round = 0; round < 3; round++) {
        const counter = new percpu.CounterTree({ arena, batchSize: 2 });
        const adders = workers.slice(0, ADDERS);
        await Promise.all(adders.map((worker) => worker.call('hold', { counter: counter.share(), name: 'doomed' })));
        const gate = new Gate();
        const adding = adders.map((worker, cpu) =>
          worker.call<{ code: string; adds: number }>('addUntilDestroyed', { name: 'doomed', cpu, gate: gate.buffer }),
        );
        gate.open();
        while (counter.preciseSum() < 10_000) await new Promise((resolve) => setTimeout(resolve, 1));
        // From another thread than the one that made it.
        if (round > 0) await workers[ADDERS]!.call('destroy', { counter: counter.share() });
        else counter.destroy();
        const outcomes = await Promise.all(adding);
        expect(outcomes.map(({ code }) => code)).toEqual(Array(ADDERS).fill('ERR_DESTROYED'));
        expect(arena.size).toBe(0);
        // The only place there is.
        await arena.ready();
        const next = new percpu.CounterTree({ arena });
        await new Promise((resolve) => setTimeout(resolve, 5));
        expect([next.preciseSum(), next.approximateSum()]).toEqual([0, 0]);
        next.destroy();
      }
    },
  );
});

describe('a worker that is terminated while it adds', () => {
  const REPETITIONS = 12;
  const AT_A_TIME = 4;

  it.each(ENGINES)('loses nothing that add() has returned from (%s)', { timeout: 60_000 }, async (engine) => {
    const arena = new percpu.CounterArena({ cpus: 64, engine });
    const random = randomIntegers(testSeed);
    for (let repetition = 0; repetition < REPETITIONS; repetition++) {
      const delta = 1 + random(5);
      const shared = new percpu.CounterTree({ arena, batchSize: 2 });
      const victims = Array.from({ length: AT_A_TIME }, () => {
        const own = new percpu.CounterTree({ arena, batchSize: 2 });
        return { own, published: new SharedArrayBuffer(4), worker: new TestWorker() };
      });
      for (const { own, published, worker } of victims) {
        const args = { counters: [own, shared].map((c) => c.share()), published, delta, seed: random(2 ** 31) };
        // The worker never answers: it is terminated first.
        worker.call('addForEver', args).catch(() => {});
      }
      const doneOf = ({ published }: { published: SharedArrayBuffer }) => Atomics.load(new Int32Array(published), 0);
      while (victims.some((victim) => doneOf(victim) < 200)) await new Promise((resolve) => setTimeout(resolve, 1));
      await new Promise((resolve) => setTimeout(resolve, random(8)));
      await Promise.all(victims.map(({ worker }) => worker.terminate()));

      const message = `SEED=${testSeed}, repetition ${repetition}`;
      const check = (counter: CounterTree, atLeast: number, atMost: number) => {
        const sum = counter.preciseSum();
        expect(sum % delta, message).toBe(0);
        expect(sum, message).toBeGreaterThanOrEqual(atLeast * delta);
        expect(sum, message).toBeLessThanOrEqual(atMost * delta);
        const { min, max } = counter.bounds();
        if (engine === 'wasm') expect(min <= sum && sum <= max, `${message}: ${min} <= ${sum} <= ${max}`).toBe(true);
      };
      for (const victim of victims) check(victim.own, doneOf(victim), doneOf(victim) + 1);
      const all = total(victims.map(doneOf));
      check(shared, all, all + AT_A_TIME);
      // The counters are as good as before.
      const before = shared.preciseSum();
      shared.add(7);
      expect(shared.preciseSum(), message).toBe(before + 7);
      for (const counter of [shared, ...victims.map(({ own }) => own)]) counter.destroy();
      expect(arena.size).toBe(0);
    }
  });
});
