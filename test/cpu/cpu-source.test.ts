import { describe, expect, it } from 'vitest';
import { getAffinity } from '../../lib/cpu/affinity.js';
import { currentCpu } from '../../lib/cpu/current-cpu.js';
import { threadCpu } from '../../lib/cpu/thread-cpu.js';
import { native } from '../../lib/native/native.js';
import { childResult, percpu } from '../support/built.js';
import { itUnless, noAddon } from '../support/skip.js';

describe('currentCpu', () => {
  it('is one of the CPUs this thread may run on', () => {
    for (let i = 0; i < 100; i++) expect(getAffinity()).toContain(currentCpu());
  });
});

interface Counted {
  source: string;
  engine: string;
  sum: number;
  expected: number;
  withinBounds: boolean;
  /** Per CPU: what adds on it put on its leaf; empty where threads cannot be pinned. */
  onOwnLeaf: number[];
  workers: string[];
}

/**
 * Counts from the main thread on each CPU, from five workers one after another and three at once, and natively, with
 * the package itself and a second copy of it.
 */
const PROGRAM = `
  import { once } from 'node:events';
  import { Worker } from 'node:worker_threads';
  const { CounterArena, CounterTree, getAffinity, runOnCpus, withAffinity } = percpu;
  const hasAddon = process.env.PERCPU_NATIVE !== '0';
  const counter = new CounterTree({ batchSize: 2 });
  const handle = counter.share();
  let expected = 0;
  const onOwnLeaf = [];
  for (const cpu of hasAddon ? getAffinity() : []) {
    const before = counter.leaves()[cpu];
    // Some adds until a source that is asked now and then has noticed the new CPU.
    withAffinity(cpu, () => { for (let i = 0; i < 64; i++) counter.add(0); for (let i = 0; i < 1_000; i++) counter.add(1); });
    expected += 1_000;
    onOwnLeaf.push(counter.leaves()[cpu] - before);
  }
  const workers = [];
  const count = async () => {
    const worker = new Worker(TASKS, { execArgv: [] });
    worker.postMessage({ id: 0, task: 'add', args: { counter: handle, times: 5_000, delta: 3 } });
    await once(worker, 'message');
    expected += 15_000;
    worker.postMessage({ id: 1, task: 'ready', args: {} });
    const [{ result }] = await once(worker, 'message');
    workers.push(result.source);
    await worker.terminate();
  };
  for (let i = 0; i < 5; i++) await count();
  await Promise.all([count(), count(), count()]);
  if (hasAddon) for (const { iterations } of await runOnCpus({ counter, iterations: 5_000, threadsPerCpu: 2 })) expected += iterations;
  const copy = await import(ENTRY + '?copy');
  const copied = copy.CounterTree.attach(handle);
  for (let i = 0; i < 1_000; i++) { copied.add(1); counter.add(1); }
  expected += 2_000;
  const { min, max } = counter.bounds();
  const sum = counter.preciseSum();
  const { cpuSource: source, engine } = CounterArena.default;
  console.log(JSON.stringify({ source, engine, sum, expected, withinBounds: min <= sum && sum <= max, onOwnLeaf, workers }));
`;

const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
const program = PROGRAM.replace('TASKS', `new URL(${url('../support/worker-tasks.mjs')})`).replace(
  'ENTRY',
  url('../../dist/index.js'),
);

// Where the kernel refuses rseq, as some sandboxes do, the best there is comes next.
const best = threadCpu.source;

const SETTINGS: { name: string; env: Record<string, string>; source: string; needsAddon: boolean }[] = [
  { name: 'as it comes', env: {}, source: best, needsAddon: true },
  {
    name: 'with rseq left to the addon',
    env: { GLIBC_TUNABLES: 'glibc.pthread.rseq=0' },
    source: best,
    needsAddon: true,
  },
  { name: 'limited to getcpu', env: { PERCPU_CPU_SOURCE: 'getcpu' }, source: 'getcpu', needsAddon: true },
  { name: 'limited to a number per thread', env: { PERCPU_CPU_SOURCE: 'thread' }, source: 'thread', needsAddon: true },
  { name: 'without the addon', env: { PERCPU_NATIVE: '0' }, source: 'thread', needsAddon: false },
];

describe('where the CPU number comes from', () => {
  it('is the same for every arena of a thread, and rseq where the kernel has it', () => {
    expect(new percpu.CounterArena({ cpus: 3 }).cpuSource).toBe(percpu.CounterArena.default.cpuSource);
    if (native.addon) expect(['rseq', 'getcpu']).toContain(best);
    else expect(best).toBe('thread');
  });

  for (const { name, env, source, needsAddon } of SETTINGS) {
    itUnless(needsAddon ? noAddon : '')(`${name}: ${source}; all of it counts`, { timeout: 60_000 }, async () => {
      const counted = await childResult<Counted>(program, { PERCPU_NATIVE: undefined, ...env });
      expect(counted).toMatchObject({ source, engine: 'wasm', withinBounds: true });
      expect(counted.sum).toBe(counted.expected);
      expect(counted.workers).toEqual(Array(8).fill(source));
      if (needsAddon && source !== 'thread') expect(counted.onOwnLeaf).toEqual(getAffinity().map(() => 1_000));
    });
  }
});

describe('without the addon', () => {
  const program = `
    const { CounterTree, currentCpu, getAffinity, PinnedWorker, runOnCpus, setAffinity, withAffinity } = percpu;
    const counter = new CounterTree();
    const attempts = {
      setAffinity: () => setAffinity(0),
      withAffinity: () => withAffinity(0, () => counter.add(1)),
      PinnedWorker: () => new PinnedWorker('0', { eval: true, cpu: 0 }),
      runOnCpus: () => runOnCpus({ counter, iterations: 1 }),
      'setAffinity, bad': () => setAffinity('0'),
      'PinnedWorker, bad': () => new PinnedWorker('0', { eval: true, cpu: -1 }),
      'runOnCpus, bad': () => runOnCpus({ counter, iterations: 0 }),
      'getAffinity of no thread': () => getAffinity(2 ** 31 - 1),
      'getAffinity, bad': () => getAffinity(-1),
    };
    const outcomes = {};
    for (const [name, attempt] of Object.entries(attempts)) {
      try {
        await attempt();
        outcomes[name] = 'nothing thrown';
      } catch ({ name: kind, code, message }) {
        outcomes[name] = kind + ' ' + code;
        if (kind === 'PercpuError' && !message.includes(name.split(/[, ]/)[0]) && code !== 'ESRCH') outcomes[name] += message;
      }
    }
    console.log(JSON.stringify({ outcomes, affinity: getAffinity(), own: getAffinity(process.pid), cpu: currentCpu(), sum: counter.preciseSum() }));`;

  it.each([
    ['PERCPU_NATIVE=0', '0'],
    ['a path where there is none', '/nowhere/percpu.node'],
  ])('%s: what needs it says so, and the rest works', async (_, setting) => {
    const result = await childResult<{ outcomes: object; affinity: number[]; own: number[]; cpu: number; sum: number }>(
      program,
      { PERCPU_NATIVE: setting },
    );
    expect(result.outcomes).toEqual({
      setAffinity: 'PercpuError ERR_NATIVE_UNAVAILABLE',
      withAffinity: expect.stringContaining('PercpuError ERR_NATIVE_UNAVAILABLE'),
      PinnedWorker: expect.stringContaining('PercpuError ERR_NATIVE_UNAVAILABLE'),
      runOnCpus: 'PercpuError ERR_NATIVE_UNAVAILABLE',
      'setAffinity, bad': 'TypeError ERR_INVALID_ARG_TYPE',
      'PinnedWorker, bad': 'RangeError ERR_OUT_OF_RANGE',
      'runOnCpus, bad': 'RangeError ERR_OUT_OF_RANGE',
      'getAffinity of no thread': 'PercpuError ESRCH',
      'getAffinity, bad': 'RangeError ERR_OUT_OF_RANGE',
    });
    expect(result.affinity).toEqual(getAffinity());
    expect(result.own).toEqual(getAffinity());
    expect(result.affinity).toContain(result.cpu);
    expect(result.sum).toBe(0);
  });
});
