// What an mm costs: time to make, fork and destroy one on 256 CPUs, and memory.
import { CounterArena, Mm } from '../../dist/index.js';
import { median } from '../sampling.mjs';
import { CPUS } from './populations.mjs';

const SAMPLES = 5;

/** @returns {number} nanoseconds per call, over `count` calls one after another. */
function nsPerCall(count, call) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) call(i);
  return Number(process.hrtime.bigint() - start) / count;
}

/** A process's life on some CPUs, at the end of which it has given everything back. */
function live(mm, firstCpu, cpus) {
  for (let cpu = firstCpu; cpu < firstCpu + cpus; cpu++) {
    mm.addOn(cpu % CPUS, 'anon', 100);
    mm.addOn(cpu % CPUS, 'file', 40);
  }
  mm.addOn(firstCpu % CPUS, 'anon', -100 * cpus);
  mm.addOn(firstCpu % CPUS, 'file', -40 * cpus);
}

function destroyClean(mm) {
  if (Object.keys(mm.destroy().leaked).length > 0) throw new Error('an mm has leaked');
}

/** All mms alive at the same time; twice in fresh memory, and in memory that others have used. */
function measureCrowd(count) {
  const mms = [];
  const arena = new CounterArena({ cpus: CPUS });
  const create = (i) => {
    mms[i] = new Mm({ arena });
  };
  const forkOf = (parent) => (i) => {
    mms[i] = parent.fork();
  };
  const destroy = (i) => destroyClean(mms[i]);
  const createFresh = nsPerCall(count, create);
  for (const [i, mm] of mms.entries()) live(mm, i, CPUS);
  const destroyUsed = nsPerCall(count, destroy);
  const createReused = nsPerCall(count, create);
  const destroyUnused = nsPerCall(count, destroy);
  const forkReused = nsPerCall(count, forkOf(new Mm({ arena })));
  const forkFresh = nsPerCall(count, forkOf(new Mm({ arena: new CounterArena({ cpus: CPUS }) })));
  return { createFresh, forkFresh, createReused, forkReused, destroyUsed, destroyUnused };
}

/** A shell's life: fork, run on one CPU, exit; one child after another. */
function measureForkAndExit(count) {
  const arena = new CounterArena({ cpus: CPUS });
  const parent = new Mm({ arena });
  return nsPerCall(count, (i) => {
    const child = parent.fork();
    live(child, i, 1);
    destroyClean(child);
  });
}

/** Bytes of JavaScript objects per mm. */
function measureHeap(arena, count) {
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  const mms = Array.from({ length: count }, () => new Mm({ arena }));
  globalThis.gc();
  return Math.round((process.memoryUsage().heapUsed - before) / mms.length);
}

/** @returns nanoseconds per mm by operation, medians of several samples, and bytes per mm. */
export default function measureCost({ count }) {
  const samples = [];
  // Sample -1 warms up.
  for (let sample = -1; sample < SAMPLES; sample++) {
    const times = { ...measureCrowd(count), forkAndExit: measureForkAndExit(count) };
    if (sample >= 0) samples.push(times);
  }
  const arena = new CounterArena({ cpus: CPUS });
  return {
    nanoseconds: Object.fromEntries(Object.keys(samples[0]).map((key) => [key, median(samples.map((s) => s[key]))])),
    bytes: { arena: 4 * arena.bytesPerCounter, heap: measureHeap(arena, count) },
  };
}
