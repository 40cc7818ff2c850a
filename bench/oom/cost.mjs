// What an mm costs: time to make, fork and destroy one on 256 CPUs, and memory.
import { CounterArena, Mm } from '../../dist/index.js';
import { CPUS } from './populations.mjs';

const WARM_UP = 2_000;

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

/** Each mm alive at the same time, made once in fresh memory and once in memory that others have used. */
function measureCrowd(arena, count) {
  const mms = [];
  const parent = new Mm({ arena });
  const create = (i) => {
    mms[i] = new Mm({ arena });
  };
  const fork = (i) => {
    mms[i] = parent.fork();
  };
  const destroy = (i) => destroyClean(mms[i]);
  const createFresh = nsPerCall(count, create);
  for (const [i, mm] of mms.entries()) live(mm, i, CPUS);
  const destroyUsed = nsPerCall(count, destroy);
  const createReused = nsPerCall(count, create);
  const destroyUnused = nsPerCall(count, destroy);
  const forkReused = nsPerCall(count, fork);
  for (const mm of mms) destroyClean(mm);
  destroyClean(parent);
  return { createFresh, createReused, forkReused, destroyUsed, destroyUnused };
}

/** A shell's life: fork, run on one CPU, exit; one child after another. */
function measureForkAndExit(arena, count) {
  const parent = new Mm({ arena });
  const ns = nsPerCall(count, (i) => {
    const child = parent.fork();
    live(child, i, 1);
    destroyClean(child);
  });
  parent.destroy();
  return ns;
}

/** @returns nanoseconds per mm by operation, and bytes per mm. */
export default function measureCost({ count }) {
  measureCrowd(new CounterArena({ cpus: CPUS }), WARM_UP);
  const arena = new CounterArena({ cpus: CPUS });
  const crowd = measureCrowd(arena, count);
  const forkFresh = (() => {
    const other = new CounterArena({ cpus: CPUS });
    const parent = new Mm({ arena: other });
    const children = [];
    return nsPerCall(count, (i) => {
      children[i] = parent.fork();
    });
  })();
  const forkAndExit = measureForkAndExit(arena, count);

  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  const kept = Array.from({ length: count }, () => new Mm({ arena }));
  globalThis.gc();
  const heapBytes = (process.memoryUsage().heapUsed - before) / kept.length;
  return {
    nanoseconds: { ...crowd, forkFresh, forkAndExit },
    bytes: { arena: 4 * arena.bytesPerCounter, heap: Math.round(heapBytes) },
  };
}
