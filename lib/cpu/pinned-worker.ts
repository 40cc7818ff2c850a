import { access } from 'node:fs';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { requireNative } from '../native/native.js';
import { requireOptions } from '../validate.js';
import { getAffinity, setAffinity } from './affinity.js';
import { requireCpus } from './cpu-argument.js';

export interface PinnedWorkerOptions extends WorkerOptions {
  /** The CPU, or the CPUs, that the worker's thread may run on. */
  cpu: number | number[];
}

/** What `Worker` itself takes in Node 20 to 26, and in Bun and Deno besides. */
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
 * libuv makes its thread pool when it is first used, and new threads inherit the affinity of the thread that makes them:
 * a pool first used by a pinned worker would be pinned along with it, for the whole process.
 */
function makeThreadPool(): void {
  if (poolExists) return;
  poolExists = true;
  access('/', () => {});
}

/**
 * A `Worker` whose thread runs on chosen CPUs from its first instruction on.
 *
 * The thread inherits its affinity from the one that makes it, so the calling thread takes on those CPUs while it
 * constructs the worker, and no longer.
 */
export class PinnedWorker extends Worker {
  /**
   * @throws as `setAffinity`, and as `Worker`; no worker is made then.
   */
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
