// Two workers that add at the same time, again and again; the slower one's time counts.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { CounterTree } from '../../dist/index.js';
import { median } from '../sampling.mjs';

const WORKERS = 2;
const SAMPLES = 15;
const OPERATIONS = 1e6;

/**
 * @param {'atomics' | 'counter'} kind
 * @param {unknown} shared the Int32Array, or the handle of the counter.
 * @returns {Promise<number>} nanoseconds per add of one worker while both add, the median of all samples.
 */
export async function measureInTwoWorkers(kind, shared) {
  // One word per sample: workers that have arrived for it.
  const barrier = new Int32Array(new SharedArrayBuffer(4 * (SAMPLES + 1)));
  const workers = Array.from(
    { length: WORKERS },
    () => new Worker(fileURLToPath(import.meta.url), { workerData: { kind, shared, barrier } }),
  );
  const perWorker = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
  return median(perWorker[0].map((_, sample) => Math.max(...perWorker.map((samples) => samples[sample]))));
}

function waitForOthers(barrier, sample) {
  Atomics.add(barrier, sample, 1);
  while (Atomics.load(barrier, sample) < WORKERS) {}
}

function addToWord(words, operations) {
  for (let i = 0; i < operations; i++) Atomics.add(words, 0, 1);
}

function addToCounter(counter, operations) {
  for (let i = 0; i < operations; i++) counter.add(1);
}

if (!isMainThread) {
  const { kind, shared, barrier } = workerData;
  const [loop, target] = kind === 'atomics' ? [addToWord, shared] : [addToCounter, CounterTree.attach(shared)];
  const samples = [];
  // Sample 0 warms up.
  for (let sample = 0; sample <= SAMPLES; sample++) {
    waitForOthers(barrier, sample);
    const start = process.hrtime.bigint();
    loop(target, OPERATIONS);
    if (sample > 0) samples.push(Number(process.hrtime.bigint() - start) / OPERATIONS);
  }
  parentPort.postMessage(samples);
}
