import { access } from 'node:fs';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { requireNative } from '../native/native.js';
import { requireOptions } from '../validate.js';
import { getAffinity, setAffinity } from './affinity.js';
import { requireCpus } from './cpu-argument.js';

export interface PinnedWorkerOptions extends WorkerOptions {
  /** The CPU or CPUs that the worker's thread may run on. */
  cpu: number | number[];
}

/** The options of `Worker` in Node 20 to 26, Bun and Deno. */
const WORKER_OPTIONS = [
  'argv',
  'deno',
  'env',
  'eval',
  'execArgv',
  'name',
  'preload',
  'ref',
  'resourceLimits',
  'smol',
  'stderr',
  'stdin',
  'stdout',
  'trackUnmanagedFds',
  'transferList',
  'type',
  'workerData',
] as (keyof PinnedWorkerOptions)[];

let poolExists = false;

/**
 * libuv makes its thread pool at first use, and new threads inherit the affinity of their maker: a pool that a pinned worker
 * uses first would be pinned for the whole process.
 */
function makeThreadPool(): void {
  if (poolExists) return;
  poolExists = true;
  access('/', () => {});
}

/**
 * A `Worker` whose thread runs on chosen CPUs from its first instruction on.
 *
 * A thread inherits the affinity of its maker, so the calling thread is restricted to those CPUs while it constructs the
 * worker.
 */
export class PinnedWorker extends Worker {
  /** @throws as `setAffinity` and `Worker`; no worker is made then. */
  constructor(file: string | URL, options: PinnedWorkerOptions) {
    const { cpu, ...workerOptions } = requireOptions(options, [...WORKER_OPTIONS, 'cpu']) as PinnedWorkerOptions;
    const cpus = requireCpus(cpu, 'options.cpu');
    requireNative('PinnedWorker');
    const before = getAffinity();
    makeThreadPool();
    setAffinity(cpus);
    try {
      super(file, workerOptions);
    } finally {
      setAffinity(before);
    }
  }
}
