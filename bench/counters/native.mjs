// One pinned native thread with a named strategy.

import { counterInternals } from '../../dist/counter/internals.js';
import { runThreads } from '../../dist/counter/run-on-cpus.js';
import { getAffinity } from '../../dist/index.js';
import { median } from '../sampling.mjs';

const SAMPLES = 9;
const OPERATIONS = 1e7;

/** @returns {Promise<number>} nanoseconds per add, the median of all samples. */
export async function measureNative(strategy, counter) {
  const cpus = Uint32Array.of(getAffinity().at(-1));
  const samples = [];
  for (let sample = -1; sample < SAMPLES; sample++) {
    const [run] = await runThreads({
      strategy,
      cpus,
      delta: 1,
      iterations: OPERATIONS,
      ...(counter ? { counter: counterInternals(counter) } : {}),
    });
    if (sample >= 0) samples.push(run.elapsedNs / OPERATIONS);
  }
  return median(samples);
}
