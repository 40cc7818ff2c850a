import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, expect, it } from 'vitest';
import { childResult, percpu, TestWorker, terminateWorkers } from '../support/built.js';
import { describeUnless, noAddon } from '../support/skip.js';
import { NOT_NUMBERS, NOT_SAFE_INTEGERS, percpuError, rangeError, thrown, typeError } from '../support/thrown.js';

const { getAffinity, PinnedWorker } = percpu;
const allowed = getAffinity();

afterEach(() => {
  expect(getAffinity()).toEqual(allowed);
});
afterAll(terminateWorkers);

const pinned = (cpu: number | number[]) =>
  new TestWorker({}, (file, options) => new PinnedWorker(file, { ...options, cpu }));

describeUnless(noAddon)('PinnedWorker', () => {
  it.each(allowed)('runs on CPU %i', async (cpu) => {
    const worker = pinned(cpu);
    expect(getAffinity()).toEqual(allowed);
    expect(worker.worker).toBeInstanceOf(Worker);
    expect(await worker.call('describeThread')).toEqual({ affinity: [cpu], cpu });
    await worker.terminate();
  });

  it('runs on any of several CPUs', async () => {
    const worker = pinned(allowed);
    expect(await worker.call('describeThread')).toMatchObject({ affinity: allowed });
    await worker.terminate();
  });

  it('counts on its CPU’s leaf', async () => {
    const counter = new percpu.CounterTree();
    for (const cpu of allowed) {
      const worker = pinned(cpu);
      await worker.call('add', { counter: counter.share(), times: 1_000 });
      expect(counter.leaves()[cpu]).toBe(1_000);
      await worker.terminate();
    }
    expect(counter.preciseSum()).toBe(1_000 * allowed.length);
    counter.destroy();
  });

  it('takes a worker’s own options', async () => {
    const code = "require('node:worker_threads').parentPort.postMessage(require('node:worker_threads').workerData)";
    const worker = new PinnedWorker(code, { eval: true, workerData: { a: 1 }, cpu: allowed[0]! });
    expect(await once(worker, 'message')).toEqual([{ a: 1 }]);
    await worker.terminate();
  });

  it('restores the caller’s CPUs where no worker can be made', () => {
    const cpu = allowed[0]!;
    expect(() => new PinnedWorker('no/absolute/path.js', { cpu })).toThrow(
      expect.objectContaining({ code: 'ERR_WORKER_PATH' }),
    );
    expect(getAffinity()).toEqual(allowed);
    expect(() => new PinnedWorker('0', { cpu, eval: true, execArgv: ['--no-such-option'] })).toThrow(
      expect.objectContaining({ code: 'ERR_WORKER_INVALID_EXEC_ARGV' }),
    );
  });

  it('names a CPU that is offline', () => {
    for (const cpu of [4_095, [4_095], [allowed[0]!, 4_095]]) {
      expect(thrown(() => new PinnedWorker('0', { eval: true, cpu }))).toEqual(percpuError('EINVAL', '4095'));
      expect(getAffinity()).toEqual(allowed);
    }
  });

  it('refuses wrong options', () => {
    const make = (options: unknown) => () => new PinnedWorker('0', options as { cpu: number });
    for (const options of [null, 1, 'cpu', () => 1]) expect(thrown(make(options))).toEqual(typeError('options'));
    for (const options of [undefined, {}, { eval: true }]) {
      expect(thrown(make(options))).toEqual(typeError('options.cpu'));
    }
    for (const cpu of NOT_NUMBERS.filter((value) => !Array.isArray(value))) {
      expect(thrown(make({ eval: true, cpu }))).toEqual(typeError('options.cpu'));
      expect(thrown(make({ eval: true, cpu: [cpu] }))).toEqual(typeError('options.cpu[0]'));
    }
    for (const cpu of [-1, 2 ** 20, ...NOT_SAFE_INTEGERS]) {
      expect(thrown(make({ eval: true, cpu }))).toEqual(rangeError('options.cpu'));
    }
    expect(thrown(make({ eval: true, cpu: [] }))).toEqual(rangeError('options.cpu'));
  });

  it('pins its own thread only, not those of the thread pool it may be the first to use', async () => {
    const code = `
      import { readdirSync, readFileSync } from 'node:fs';
      import { once } from 'node:events';
      const cpu = percpu.getAffinity()[0];
      const worker = new percpu.PinnedWorker(
        \`const { parentPort } = require('node:worker_threads');
        parentPort.on('message', () => {});
        require('node:fs').readFile('/proc/version', () => parentPort.postMessage(0));\`,
        { eval: true, execArgv: [], cpu },
      );
      await once(worker, 'message');
      const pinned = readdirSync('/proc/self/task').filter((tid) => {
        const status = readFileSync('/proc/self/task/' + tid + '/status', 'latin1');
        return /^Cpus_allowed_list:\\s*(.*)$/m.exec(status)[1] === String(cpu);
      });
      console.log(JSON.stringify({ cpus: percpu.getAffinity().length, pinned: pinned.length }));
      await worker.terminate();`;
    const { cpus, pinned: threads } = await childResult<{ cpus: number; pinned: number }>(code);
    if (cpus > 1) expect(threads).toBe(1);
  });
});
