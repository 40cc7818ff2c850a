import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { CounterTree } from '../counter/counter-tree.js';
import { type CpuRun, runOnCpus } from '../counter/run-on-cpus.js';
import { native } from '../native/native.js';
import type { AddRequest } from './add-worker.js';

/** Most worker threads instead of pinned ones: each takes some 10 MiB, and time to start. */
const MAX_WORKERS = 8;

export interface Adders {
  /** True: native threads, one pinned to each CPU. False: worker threads on any CPU, with `cpu` -1. */
  readonly pinned: boolean;
  run(counter: CounterTree, iterations: number): Promise<CpuRun[]>;
  stop(): Promise<void>;
}

export function startAdders(cpus: number[]): Adders {
  if (!native.addon) return workerAdders(Math.min(cpus.length, MAX_WORKERS));
  return {
    pinned: true,
    run: (counter, iterations) => runOnCpus({ counter, iterations, cpus }),
    stop: async () => {},
  };
}

function workerAdders(threads: number): Adders {
  const workers = Array.from({ length: threads }, () => new Worker(new URL('./add-worker.js', import.meta.url)));
  return {
    pinned: false,
    async run(counter, iterations) {
      const gate = new Int32Array(new SharedArrayBuffer(8));
      const request: AddRequest = { counter: counter.share(), iterations, threads, gate };
      // `once` also rejects on the worker's 'error'.
      const runs = workers.map(async (worker) => (await once(worker, 'message'))[0] as CpuRun);
      for (const worker of workers) worker.postMessage(request);
      return Promise.all(runs);
    },
    async stop() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
