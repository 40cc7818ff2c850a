import { expect, it } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { type RunOnCpusOptions, runOnCpus } from '../../lib/counter/run-on-cpus.js';
import { getAffinity } from '../../lib/cpu/affinity.js';
import { describeUnless, noAddon } from '../support/skip.js';
import { NOT_NUMBERS, NOT_SAFE_INTEGERS, percpuError, rangeError, rejected, typeError } from '../support/thrown.js';

const allowed = getAffinity();
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describeUnless(noAddon)('runOnCpus', () => {
  it('adds on every CPU this thread may run on, pinned there', async () => {
    using counter = new CounterTree();
    const runs = await runOnCpus({ counter, iterations: 10_000 });
    expect(runs.map(({ cpu }) => cpu)).toEqual(allowed);
    for (const run of runs) {
      expect(run).toEqual({
        cpu: run.cpu,
        startCpu: run.cpu,
        endCpu: run.cpu,
        iterations: 10_000,
        elapsedNs: expect.any(Number),
      });
      expect(run.elapsedNs).toBeGreaterThan(0);
      expect(Number.isSafeInteger(run.elapsedNs)).toBe(true);
      // Pinned, each thread has its CPU's leaf to itself.
      expect(counter.leaves()[run.cpu]).toBe(10_000);
    }
    expect(counter.preciseSum()).toBe(10_000 * allowed.length);
    expect(getAffinity()).toEqual(allowed);
  });

  it.each([1, 0, -1, 7, 2 ** 31, -(2 ** 40) + 1, 2 ** 53 - 1, -(2 ** 53 - 1)])('adds %d', async (delta) => {
    using counter = new CounterTree({ batchSize: 2 });
    await runOnCpus({ counter, iterations: 1_025, delta, cpus: [allowed[0]!] });
    const sum = BigInt.asIntN(64, 1_025n * BigInt(delta));
    expect(counter.preciseSumBigInt()).toBe(sum);
    const heldBack = BigInt.asIntN(64, sum - counter.approximateSumBigInt());
    expect(heldBack >= 0n && heldBack <= BigInt(counter.accuracy.under)).toBe(true);
  });

  it('runs several threads on each of the CPUs it is told, CPU by CPU', async () => {
    using counter = new CounterTree({ arena: new CounterArena({ cpus: 1 }) });
    const cpus = [...allowed].reverse().slice(0, 2);
    const runs = await runOnCpus({ counter, iterations: 1, cpus: [...cpus, ...cpus], threadsPerCpu: 3 });
    expect(runs.map(({ cpu }) => cpu)).toEqual(cpus.flatMap((cpu) => [cpu, cpu, cpu]));
    expect(counter.preciseSum()).toBe(3 * cpus.length);
  });

  it('counts right in any arena: more CPUs than there are, or fewer', async () => {
    for (const cpus of [1, 2, 3, 64, 1_024]) {
      for (const engine of ['wasm', 'ts'] as const) {
        using counter = new CounterTree({ arena: new CounterArena({ cpus, engine, capacity: 1 }), initial: -5 });
        const runs = await runOnCpus({ counter, iterations: 3_000, threadsPerCpu: 2 });
        const expected = sum(runs.map(({ iterations }) => iterations)) - 5;
        expect(counter.preciseSum()).toBe(expected);
        expect(counter.bounds().min).toBeLessThanOrEqual(expected);
        expect(counter.bounds().max).toBeGreaterThanOrEqual(expected);
      }
    }
  });

  it('names a CPU that is offline, and adds nothing', async () => {
    const arena = new CounterArena({ cpus: 2, capacity: 1 });
    for (const cpus of [[4_095], [allowed[0]!, 4_095], [4_095, ...allowed], [2 ** 20 - 1]]) {
      const counter = new CounterTree({ arena });
      const wrong = `${cpus.find((cpu) => cpu >= 4_095)}`;
      const run = () => runOnCpus({ counter, iterations: 1_000_000, cpus, threadsPerCpu: 3 });
      expect(await rejected(run)).toEqual(percpuError('EINVAL', wrong));
      await expect(run()).rejects.toMatchObject({ syscall: 'sched_setaffinity', code: 'EINVAL' });
      expect(counter.preciseSum()).toBe(0);
      // The arena has one place: it is free again.
      counter.destroy();
    }
  });

  it('rejects what it is not to be given, rather than throw', async () => {
    using counter = new CounterTree();
    const good = { counter, iterations: 10 };
    const refuses = async (option: keyof RunOnCpusOptions, values: readonly unknown[], expected: unknown) => {
      for (const value of values) {
        const options = { ...good, [option]: value } as unknown as RunOnCpusOptions;
        expect(await rejected(() => runOnCpus(options)), `${option}: ${String(value)}`).toEqual(expected);
      }
    };
    for (const options of [null, 1, 'x', () => 1]) {
      expect(await rejected(() => runOnCpus(options as never))).toEqual(typeError('options'));
    }
    for (const options of [undefined, {}]) {
      expect(await rejected(() => runOnCpus(options as never))).toEqual(typeError('options.counter'));
    }
    await refuses('counter', [undefined, null, 1, {}, counter.share(), CounterTree], typeError('options.counter'));
    await refuses('iterations', [undefined, ...NOT_NUMBERS], typeError('options.iterations'));
    await refuses('iterations', [0, -1, ...NOT_SAFE_INTEGERS], rangeError('options.iterations'));
    await refuses('delta', NOT_NUMBERS, typeError('options.delta'));
    await refuses('delta', NOT_SAFE_INTEGERS, rangeError('options.delta'));
    await refuses('threadsPerCpu', NOT_NUMBERS, typeError('options.threadsPerCpu'));
    await refuses('threadsPerCpu', [0, -1, 1_025, ...NOT_SAFE_INTEGERS], rangeError('options.threadsPerCpu'));
    await refuses('cpus', [null, 0, '0', {}, new Set([0]), Uint8Array.of(0)], typeError('options.cpus'));
    await refuses('cpus', [['0'], [null], [0n], [undefined]], typeError('options.cpus[0]'));
    await refuses(
      'cpus',
      [
        [0, -1],
        [0, 1.5],
        [0, 2 ** 20],
        [0, Number.NaN],
      ],
      rangeError('options.cpus[1]'),
    );
    await refuses('cpus', [[]], rangeError('options.cpus'));
    await refuses('signal', [null, {}, 'abort', new AbortController()], typeError('options.signal'));
    const many = { ...good, cpus: Array.from({ length: 100 }, (_, cpu) => cpu), threadsPerCpu: 1_024 };
    expect(await rejected(() => runOnCpus(many))).toEqual(rangeError('options.threadsPerCpu', '65536'));
    expect(counter.preciseSum()).toBe(0);
    const gone = new CounterTree();
    gone.destroy();
    expect(await rejected(() => runOnCpus({ counter: gone, iterations: 1 }))).toEqual(percpuError('ERR_DESTROYED'));
  });
});
