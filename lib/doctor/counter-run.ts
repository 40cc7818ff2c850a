import { type Bounds, CounterTree } from '../counter/counter-tree.js';
import type { CpuRun } from '../counter/run-on-cpus.js';
import { type Adders, startAdders } from './adders.js';

export interface ThreadReport {
  /** The CPU it was pinned to, if it was. */
  cpu: number | null;
  /** The CPU it was on at its start and at its end; -1 if the platform does not tell. */
  startCpu: number;
  endCpu: number;
  adds: number;
  elapsedNs: number;
  nsPerAdd: number;
  addsPerSecond: number;
}

/** A run of threads that add 1 to one counter at the same time. */
export interface RunReport {
  /** True: native threads, pinned to one CPU each. False: JavaScript in worker threads on any CPU. */
  pinned: boolean;
  totalAdds: number;
  /** The slowest thread's, from the common start. */
  elapsedNs: number;
  addsPerSecond: number;
  /** Threads that were on another CPU than they were pinned to, or began on; null if the platform does not tell. */
  migrations: number | null;
  /** The counter after the run, in adds. */
  batchSize: number;
  precise: number;
  approximate: number;
  /** The range of the precise sum, by the accuracy that the kernel's series documents. */
  documented: Bounds;
  /** The range of the precise sum, by this package's narrower bounds. */
  tight: Bounds;
  /** Whether the precise sum is what was added, and whether it lies in either range. */
  checks: { exact: boolean; documented: boolean; tight: boolean };
  ok: boolean;
  /** CPU by CPU. */
  threads: ThreadReport[];
  /** Nanoseconds of one `counter.add(1)` in JavaScript on one thread: the median of short loops. */
  jsNsPerAdd: number;
}

const RUN_NS = 1e9;
const CALIBRATION_NS = 80e6;
const FIRST_ITERATIONS = 10_000;

async function calibrate(adders: Adders): Promise<number> {
  const counter = new CounterTree();
  try {
    for (let iterations = FIRST_ITERATIONS; ; ) {
      const elapsedNs = slowest(await adders.run(counter, iterations));
      if (elapsedNs >= CALIBRATION_NS) return (iterations * RUN_NS) / elapsedNs;
      const missing = (1.5 * CALIBRATION_NS) / Math.max(1, elapsedNs);
      iterations = Math.ceil(iterations * Math.min(100, missing));
    }
  } finally {
    counter.destroy();
  }
}

function slowest(runs: CpuRun[]): number {
  return runs.reduce((most, { elapsedNs }) => Math.max(most, elapsedNs), 0);
}

/**
 * Adds from a thread on each CPU for about a second, and compares the counter with what was added.
 *
 * @param cpus at least one.
 * @throws PercpuError `EINVAL` for a CPU that went offline, `EAGAIN` if the system has no more threads.
 */
export async function runCounter(cpus: number[]): Promise<RunReport> {
  const adders = startAdders(cpus);
  const counter = new CounterTree();
  try {
    const { batchSize } = counter;
    // One add less than a full batch, so that every leaf holds back as much as a leaf can.
    const iterations = Math.ceil((await calibrate(adders)) / batchSize) * batchSize - 1;
    const runs = await adders.run(counter, iterations);
    const sums = checkSums(counter, iterations * runs.length);
    return { ...summarize(runs, adders.pinned), batchSize, ...sums, jsNsPerAdd: measureJsAdd(counter) };
  } finally {
    await adders.stop();
    counter.destroy();
  }
}

function summarize(runs: CpuRun[], pinned: boolean) {
  const threads = runs.map(({ cpu, startCpu, endCpu, iterations: adds, elapsedNs }) => ({
    cpu: pinned ? cpu : null,
    startCpu,
    endCpu,
    adds,
    elapsedNs,
    nsPerAdd: elapsedNs / adds,
    addsPerSecond: (adds * 1e9) / elapsedNs,
  }));
  const totalAdds = runs.reduce((sum, run) => sum + run.iterations, 0);
  const elapsedNs = slowest(runs);
  return {
    pinned,
    totalAdds,
    elapsedNs,
    addsPerSecond: (totalAdds * 1e9) / elapsedNs,
    migrations: countMigrations(threads),
    threads,
  };
}

function countMigrations(threads: ThreadReport[]): number | null {
  if (threads.some(({ startCpu, endCpu }) => startCpu < 0 || endCpu < 0)) return null;
  return threads.filter(({ cpu, startCpu, endCpu }) => startCpu !== endCpu || startCpu !== (cpu ?? startCpu)).length;
}

function checkSums(counter: CounterTree, added: number) {
  const precise = counter.preciseSum();
  const approximate = counter.approximateSum();
  const { under, over } = counter.accuracy;
  const documented: Bounds = { min: approximate - over, max: approximate + under };
  const tight = counter.bounds();
  const holds = ({ min, max }: Bounds) => min <= precise && precise <= max;
  const checks = { exact: precise === added, documented: holds(documented), tight: holds(tight) };
  const ok = checks.exact && checks.documented && checks.tight;
  return { precise, approximate, documented, tight, checks, ok };
}

const JS_ROUNDS = 9;
const JS_ROUND_NS = 10e6;

function measureJsAdd(counter: CounterTree): number {
  let adds = FIRST_ITERATIONS;
  while (timeAdds(counter, adds) < JS_ROUND_NS) adds *= 2;
  const rounds = Array.from({ length: JS_ROUNDS }, () => timeAdds(counter, adds) / adds);
  return rounds.sort((a, b) => a - b)[JS_ROUNDS >> 1]!;
}

function timeAdds(counter: CounterTree, adds: number): number {
  const began = process.hrtime.bigint();
  for (let done = 0; done < adds; done++) counter.add(1);
  return Number(process.hrtime.bigint() - began);
}
