// How long a selection takes: one population, all strategies in turn.
import { selectVictim } from '../../dist/index.js';
import { Random } from '../random.mjs';
import { median } from '../sampling.mjs';
import { populate, TOTAL_PAGES } from './populations.mjs';

export const STRATEGIES = ['precise', 'approximate', 'kernel', 'exact'];

const REPETITIONS_AT_LEAST = 9;
const WARM_UP_AT_LEAST = 4;
const WARM_UP_MS = 400;

/** What a scan costs that knows no bounds and checks nothing: approximate reads alone, the highest wins. */
function bareLoop(tasks) {
  let highest = Number.NEGATIVE_INFINITY;
  let victim = null;
  for (const task of tasks) {
    const { mm } = task;
    const badness = mm.rss() + mm.swap().min + mm.pageTablePages();
    if (badness < highest) continue;
    highest = badness;
    victim = task;
  }
  return { victim, preciseSums: 0 };
}

/** @returns the median time of each strategy in nanoseconds, and the precise sums it made. */
export default function measureLatency({ population, count, seed, milliseconds }) {
  const random = new Random(seed);
  const tasks = populate(population, count, random);
  const runs = { bareLoop: () => bareLoop(tasks) };
  for (const strategy of STRATEGIES) {
    runs[strategy] = () => selectVictim(tasks, { totalPages: TOTAL_PAGES, strategy });
  }
  const names = Object.keys(runs);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  const preciseSums = {};
  const victims = {};

  const repeat = (untilMs, leastRounds, record) => {
    const end = performance.now() + untilMs;
    for (let round = 0; round < leastRounds || performance.now() < end; round++) {
      // In random order, so that none always finds what the same other one has left in the caches.
      for (const name of random.shuffled(names)) {
        const start = process.hrtime.bigint();
        const selection = runs[name]();
        const elapsed = Number(process.hrtime.bigint() - start);
        if (!record) continue;
        samples[name].push(elapsed);
        preciseSums[name] = selection.preciseSums;
        victims[name] = selection.victim.pid;
      }
    }
  };
  repeat(WARM_UP_MS, WARM_UP_AT_LEAST, false);
  globalThis.gc();
  repeat(milliseconds, REPETITIONS_AT_LEAST, true);
  if (victims.exact !== victims.precise) throw new Error('exact and precise disagree');
  return {
    nanoseconds: Object.fromEntries(names.map((name) => [name, median(samples[name])])),
    preciseSums,
    repetitions: samples.exact.length,
  };
}
