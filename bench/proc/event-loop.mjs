// How late the event loop gets to its work while scans run one after another, against an idle one.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { RssScanner } from '../../dist/index.js';
import { median } from '../sampling.mjs';

const ROUNDS = 5;
const MILLISECONDS = 1_500;

/** @returns {Promise<number>} p99 in nanoseconds. */
async function delayWhile(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  const end = performance.now() + MILLISECONDS;
  while (performance.now() < end) await work();
  histogram.disable();
  return histogram.percentile(99);
}

export default async function measure({ pids }) {
  const scanner = new RssScanner({ pids });
  await scanner.scan();
  const samples = [];
  for (let round = 0; round < ROUNDS; round++) {
    const theirs = await delayWhile(() => sleep(50));
    const ours = await delayWhile(async () => {
      await scanner.scan();
      await sleep(1);
    });
    samples.push({ ours, theirs });
  }
  return {
    ours: median(samples.map((sample) => sample.ours)),
    theirs: median(samples.map((sample) => sample.theirs)),
    ratio: median(samples.map((sample) => sample.ours / sample.theirs)),
  };
}
