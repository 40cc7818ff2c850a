// Everything at once for a long time: workers and native threads adding, a scanner over processes that come and go, a
// guard, a prediction every second. Usage: npm run test:soak -- [--minutes N] [--processes N] [--json]
//
// Ends with 1 where an add was lost, a process was missed, a guard was wrong, or memory or descriptors grew.
import { readdirSync } from 'node:fs';
import os from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { CounterTree, predictVictim, RssGuard, RssScanner, rss, runOnCpus } from '../../dist/index.js';
import { native } from '../../dist/native/native.js';
import { runChild } from './child.mjs';
import { Crowd } from './crowd.mjs';

const WORKERS = 4;
const NATIVE_ADDS = 200_000;
const CHURN = 50;
const MiB = 2 ** 20;
/** The heap breathes; what stayed per scan, per prediction or per counter would be far more after minutes of them. */
const GROWTH_ALLOWED = 24 * MiB;
/** After forced collections, with a young generation that cannot grow. */
const LIFE_CYCLE_GROWTH_ALLOWED = 6 * MiB;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    processes: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const [minutes, processes] = [Number(values.minutes), Number(values.processes)];
if (!(minutes > 0) || !Number.isInteger(processes) || processes < CHURN) {
  console.error(`--minutes takes a number above 0, --processes one from ${CHURN}`);
  process.exit(2);
}

const say = (line) => process.stderr.write(`${line}\n`);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

say('10,000 arenas and 1,000,000 counters, made and dropped');
const lifeCycles = JSON.parse(
  await runChild('memory-child.mjs', ['--expose-gc', '--max-semi-space-size=1'], ['10000', '1000000']),
);

const counter = new CounterTree();
const crowd = new Crowd();
process.on('exit', () => crowd.end());
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
say(`starting ${processes} processes`);
await crowd.grow(processes);

const end = performance.now() + minutes * 60_000;
const isOver = () => performance.now() >= end;
const counts = {
  nativeAdds: 0,
  scans: 0,
  readings: 0,
  predictions: 0,
  uncertain: 0,
  guardsGone: 0,
  startedAndEnded: 0,
};
const problems = [];
const samples = [];

const workers = Array.from({ length: WORKERS }, (_, index) => {
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), {
    workerData: { shared: counter.share(), delta: index + 1 },
  });
  const added = new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { worker, added };
});

async function runNatively() {
  while (!isOver()) {
    const runs = await runOnCpus({ counter, iterations: NATIVE_ADDS, delta: -1 });
    for (const { iterations } of runs) counts.nativeAdds += iterations;
    await sleep(20);
  }
}

async function scan(scanner) {
  while (!isOver()) {
    const readings = await scanner.scan();
    counts.scans++;
    counts.readings += readings.length;
    if (!readings.some(({ pid }) => pid === process.pid)) problems.push('a scan missed this process');
    // Between two scans at most one churn is under way.
    if (readings.length < processes - 2 * CHURN) problems.push(`a scan found only ${readings.length} processes`);
    await sleep(100);
  }
}

async function predict() {
  while (!isOver()) {
    const { victim, certain } = await predictVictim();
    counts.predictions++;
    if (victim === null) problems.push('a prediction found nobody');
    if (!certain) counts.uncertain++;
    await sleep(1_000);
  }
}

async function comeAndGo() {
  while (!isOver()) {
    const guard = new RssGuard({ pid: crowd.newest, limit: 2 ** 40, intervalMs: 100 }).start();
    guard.once('gone', () => counts.guardsGone++);
    guard.once('exceeded', () => problems.push('a guard took a small process for a large one'));
    await crowd.churn(CHURN);
    counts.startedAndEnded += CHURN;
    await sleep(1_000);
  }
}

const guard = new RssGuard({ limit: 16 * 2 ** 30, intervalMs: 200 }).start();
guard.once('exceeded', () => problems.push('the guard of this process fired'));

async function sample() {
  while (!isOver()) {
    samples.push({ rss: rss(), files: readdirSync('/proc/self/fd').length });
    await sleep(1_000);
    if (samples.length % 60 === 0) say(`${samples.length / 60} min, ${(samples.at(-1).rss / MiB).toFixed(0)} MiB`);
  }
}

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const scanner = new RssScanner();
await Promise.all([native.addon ? runNatively() : undefined, scan(scanner), predict(), comeAndGo(), sample()]);
delay.disable();
scanner.destroy();
guard.stop();
for (const { worker } of workers) worker.postMessage('stop');
const added = (await Promise.all(workers.map((one) => one.added))).reduce((sum, count) => sum + count, 0);
crowd.end();

const expected = added - counts.nativeAdds;
const sum = counter.preciseSum();
if (sum !== expected) problems.push(`the counter has ${sum} instead of ${expected}`);
// The first fifth is for warming up.
const settled = samples.slice(Math.floor(samples.length / 5));
const third = Math.floor(settled.length / 3);
const change = (key) =>
  median(settled.slice(-third).map((one) => one[key])) - median(settled.slice(0, third).map((one) => one[key]));
const growth = { rss: change('rss'), files: change('files') };
if (growth.rss > GROWTH_ALLOWED) problems.push(`memory grew by ${(growth.rss / MiB).toFixed(1)} MiB`);
if (growth.files > 30) problems.push(`${growth.files} more files are open`);
for (const [what, bytes] of Object.entries(lifeCycles)) {
  if (bytes > LIFE_CYCLE_GROWTH_ALLOWED)
    problems.push(`making and dropping ${what} left ${(bytes / MiB).toFixed(1)} MiB`);
}

const result = {
  environment: `Linux ${os.release()}, ${os.availableParallelism()} CPUs, Node ${process.version}, ${native.reason}`,
  minutes,
  adds: { inWorkers: added, native: counts.nativeAdds, sum, expected },
  ...counts,
  growthBytes: growth,
  lifeCycleGrowthBytes: lifeCycles,
  eventLoopDelayMs: { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 },
  problems: [...new Set(problems)],
};
if (values.json) console.log(JSON.stringify(result, null, 2));
else console.log(result);
process.exit(problems.length === 0 ? 0 : 1);
