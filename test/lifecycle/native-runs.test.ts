import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { percpu, runChild, TestWorker, terminateWorkers } from '../support/built.js';
import { describeUnless, noAddon } from '../support/skip.js';
import { percpuError, rejected, thrown } from '../support/thrown.js';

const { CounterArena, CounterTree, runOnCpus } = percpu;

const FOR_EVER = Number.MAX_SAFE_INTEGER;
const aborted = expect.objectContaining({ name: 'AbortError', code: 'ABORT_ERR' });
const CPUS = percpu.getAffinity().length;

const total = (runs: readonly { iterations: number }[]) => runs.reduce((sum, { iterations }) => sum + iterations, 0);
const threadsNow = () => readdirSync('/proc/self/task').length;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `condition` holds; the machine may be busy. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 20 seconds: ${what}`);
    await pause(2);
  }
}

afterAll(terminateWorkers);

describeUnless(noAddon)('native runs', { timeout: 60_000 }, () => {
  describe('aborted', () => {
    it('before they begin: nothing is added', async () => {
      const counter = new CounterTree();
      const signal = AbortSignal.abort(new Error('the reason'));
      const run = runOnCpus({ counter, iterations: 10, signal });
      await expect(run).rejects.toMatchObject({ code: 'ABORT_ERR', cause: { message: 'the reason' } });
      expect(counter.preciseSum()).toBe(0);
    });

    it('at once: what was added until then stays, and the counter is free', async () => {
      const arena = new CounterArena({ cpus: 2, capacity: 1 });
      for (let i = 0; i < 20; i++) {
        const counter = new CounterTree({ arena });
        const controller = new AbortController();
        const run = rejected(() => runOnCpus({ counter, iterations: FOR_EVER, signal: controller.signal }));
        controller.abort();
        expect(await run).toEqual(aborted);
        const { min, max } = counter.bounds();
        const sum = counter.preciseSum();
        expect(min <= sum && sum <= max).toBe(true);
        counter.destroy();
      }
    });

    it('while they run: soon over, and no thread stays', async () => {
      const before = threadsNow();
      const counter = new CounterTree();
      const controller = new AbortController();
      const run = rejected(() =>
        runOnCpus({ counter, iterations: FOR_EVER, threadsPerCpu: 3, signal: controller.signal }),
      );
      await until(() => counter.preciseSum() > 100_000, 'the threads add');
      expect(threadsNow()).toBeGreaterThan(before);
      controller.abort('enough');
      expect(await run).toEqual(aborted);
      const sum = counter.preciseSum();
      await pause(20);
      expect(counter.preciseSum()).toBe(sum);
      expect(counter.bounds().min).toBeLessThanOrEqual(sum);
      expect(counter.bounds().max).toBeGreaterThanOrEqual(sum);
      await until(() => threadsNow() <= before, 'the threads are gone');
      counter.destroy();
    });

    it('after they are over: nothing happens', async () => {
      const counter = new CounterTree();
      const controller = new AbortController();
      const runs = await runOnCpus({ counter, iterations: 1_000, signal: controller.signal });
      controller.abort();
      expect(total(runs)).toBe(1_000 * CPUS);
      expect(counter.preciseSum()).toBe(1_000 * CPUS);
      counter.destroy();
    });

    it('together by one signal', async () => {
      const counter = new CounterTree();
      const controller = new AbortController();
      const runs = Array.from({ length: 10 }, () =>
        rejected(() => runOnCpus({ counter, iterations: FOR_EVER, signal: controller.signal })),
      );
      await until(() => counter.preciseSum() > 0, 'the threads add');
      controller.abort();
      expect(await Promise.all(runs)).toEqual(Array(10).fill(aborted));
      counter.destroy();
    });
  });

  it('many at once add up', async () => {
    const counters = CounterTree.createMany(5);
    const runs = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        runOnCpus({ counter: counters[i % 5]!, iterations: 5_000 + i, delta: i - 7, threadsPerCpu: 2 }),
      ),
    );
    for (const [index, counter] of counters.entries()) {
      let expected = 0;
      for (let i = index; i < 20; i += 5) {
        expect(total(runs[i]!)).toBe((5_000 + i) * 2 * CPUS);
        expected += total(runs[i]!) * (i - 7);
      }
      expect(counter.preciseSum()).toBe(expected);
      const { min, max } = counter.bounds();
      expect(min <= expected && expected <= max).toBe(true);
      counter.destroy();
    }
  });

  it('leave the event loop free', async () => {
    const counter = new CounterTree();
    const controller = new AbortController();
    const run = rejected(() => runOnCpus({ counter, iterations: FOR_EVER, signal: controller.signal }));
    let turns = 0;
    while (turns < 20) {
      await pause(1);
      turns++;
    }
    controller.abort();
    expect(await run).toEqual(aborted);
    expect(counter.preciseSum()).toBeGreaterThan(0);
    counter.destroy();
  });

  describe('on a counter that is destroyed meanwhile', () => {
    it('keep its memory: counters made since begin at 0 and stay exact', async () => {
      const arena = new CounterArena({ cpus: 4, capacity: 4 });
      const doomed = new CounterTree({ arena });
      const controller = new AbortController();
      const run = rejected(() => runOnCpus({ counter: doomed, iterations: FOR_EVER, signal: controller.signal }));
      await until(() => doomed.preciseSum() > 10_000, 'the threads add');
      doomed.destroy();
      expect(arena.size).toBe(0);
      for (let i = 0; i < 200; i++) {
        const others = [1, 2, 3].map((initial) => new CounterTree({ arena, initial }));
        for (const other of others) other.add(i);
        expect(others.map((other) => other.preciseSum())).toEqual([1 + i, 2 + i, 3 + i]);
        // The fourth place is the run's.
        if (i % 50 === 0) {
          expect(thrown(() => new CounterTree({ arena }))).toEqual(percpuError('ERR_ARENA_FULL'));
          await pause(1);
          expect(others.map((other) => other.preciseSum())).toEqual([1 + i, 2 + i, 3 + i]);
        }
        for (const other of others) other.destroy();
      }
      controller.abort();
      expect(await run).toEqual(aborted);
      const all = Array.from({ length: 4 }, () => new CounterTree({ arena }));
      await pause(5);
      expect(all.map((counter) => counter.preciseSum())).toEqual([0, 0, 0, 0]);
      expect(all.map((counter) => counter.approximateSum())).toEqual([0, 0, 0, 0]);
    });

    it('end as they would have', async () => {
      const counter = new CounterTree();
      const run = runOnCpus({ counter, iterations: 300_000 });
      counter.destroy();
      expect(total(await run)).toBe(300_000 * CPUS);
      expect(await rejected(() => runOnCpus({ counter, iterations: 1 }))).toEqual(percpuError('ERR_DESTROYED'));
    });
  });

  describe('of a worker', () => {
    it('end with it when it is terminated, and give the memory back', async () => {
      const before = threadsNow();
      const arena = new CounterArena({ cpus: 2, capacity: 1 });
      for (let i = 0; i < 3; i++) {
        const counter = new CounterTree({ arena });
        const worker = new TestWorker();
        await worker.call('startRuns', { counter: counter.share(), runs: 20, iterations: FOR_EVER });
        await until(() => counter.preciseSum() > 10_000, 'the threads add');
        if (i % 2 === 0) counter.destroy();
        await worker.terminate();
        if (i % 2 === 1) {
          const sum = counter.preciseSum();
          await pause(10);
          expect(counter.preciseSum()).toBe(sum);
          const { min, max } = counter.bounds();
          expect(min <= sum && sum <= max).toBe(true);
          counter.destroy();
        }
        // The arena has one place: no run can have kept it. What was shared is quarantined for a second first.
        await arena.ready();
        const next = new CounterTree({ arena });
        expect([next.preciseSum(), next.approximateSum()]).toEqual([0, 0]);
        next.destroy();
      }
      await until(() => threadsNow() <= before, 'the threads are gone');
    });

    it('end with it when it is terminated at any moment', async () => {
      const before = threadsNow();
      const counter = new CounterTree();
      for (let i = 0; i < 12; i++) {
        const worker = new TestWorker();
        await worker.call('ready');
        worker.call('startRuns', { counter: counter.share(), runs: 1 + (i % 3), iterations: FOR_EVER }).catch(() => {});
        await pause(i / 2);
        await worker.terminate();
      }
      await until(() => threadsNow() <= before, 'the threads are gone');
      const sum = counter.preciseSum();
      await pause(10);
      expect(counter.preciseSum()).toBe(sum);
      counter.destroy();
    });

    it.each([
      ['throws', 'throwUncaught', {}, 1],
      ['calls process.exit()', 'exit', { code: 5 }, 5],
    ])('end with it when it %s', async (_, task, args, code) => {
      const before = threadsNow();
      const counter = new CounterTree();
      const worker = new TestWorker();
      await worker.call('startRuns', { counter: counter.share(), runs: 3, iterations: FOR_EVER, threadsPerCpu: 2 });
      await until(() => counter.preciseSum() > 10_000, 'the threads add');
      const exit = new Promise((resolve) => worker.worker.once('exit', resolve));
      await expect(worker.call(task, args)).rejects.toThrow();
      expect(await exit).toBe(code);
      await until(() => threadsNow() <= before, 'the threads are gone');
      const sum = counter.preciseSum();
      await pause(10);
      expect(counter.preciseSum()).toBe(sum);
      counter.destroy();
    });

    it('go on when another worker is terminated', async () => {
      const counter = new CounterTree();
      const [lasting, dying] = [new TestWorker(), new TestWorker()];
      const run = lasting.call<{ iterations: number }[]>('run', {
        counter: counter.share(),
        iterations: 500_000,
        threadsPerCpu: 2,
        delta: 2,
      });
      const other = new CounterTree();
      await dying.call('startRuns', { counter: other.share(), runs: 2, iterations: FOR_EVER });
      await dying.terminate();
      expect(total(await run)).toBe(500_000 * 2 * CPUS);
      expect(counter.preciseSum()).toBe(500_000 * 2 * CPUS * 2);
      counter.destroy();
      other.destroy();
    });
  });

  it('keep the process until they are over, and no longer', async () => {
    const outcome = await runChild({
      code: `
        const counter = new percpu.CounterTree();
        percpu.runOnCpus({ counter, iterations: 200_000 }).then((runs) => {
          process.stdout.write(String(counter.preciseSum() === 200_000 * runs.length));
        });`,
    });
    expect(outcome).toEqual({ code: 0, signal: null, stdout: 'true', stderr: '' });
  });

  it('outlive the only reference to their counter and arena', async () => {
    const outcome = await runChild({
      code: `
        import v8 from 'node:v8';
        import vm from 'node:vm';
        v8.setFlagsFromString('--expose-gc');
        const collect = vm.runInNewContext('gc');
        const start = () => percpu.runOnCpus({
          counter: new percpu.CounterTree({ arena: new percpu.CounterArena({ cpus: 8 }) }),
          iterations: 20_000_000,
        });
        const run = start();
        for (let i = 0; i < 20; i++) {
          collect();
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        const runs = await run;
        process.stdout.write(String(runs.every(({ iterations }) => iterations === 20_000_000)));`,
    });
    expect(outcome).toEqual({ code: 0, signal: null, stdout: 'true', stderr: '' });
  });
});
