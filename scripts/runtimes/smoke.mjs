// A little of everything that differs between runtimes, in whichever one runs this. Prints one line of JSON.
// Usage: RUNTIME smoke.mjs FOLDER, where FOLDER holds the package as it is installed.
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

const ADDS = 100_000;

const folder = pathToFileURL(`${process.argv[2]}/`);
const entry = new URL('dist/index.js', folder).href;
const { CounterTree, readRss, runOnCpus, scanRss } = await import(entry);
const { native } = await import(new URL('dist/native/native.js', folder).href);

/** What came of one thing: 'ok', or the error's code, or what was wrong. */
async function attempt(run) {
  try {
    return (await run()) ?? 'ok';
  } catch (error) {
    return error.code ?? String(error);
  }
}

function expectEqual(actual, expected) {
  return Object.is(actual, expected) ? 'ok' : `${actual} instead of ${expected}`;
}

function countInWorker(counter) {
  const workerData = { entry, shared: counter.share(), adds: ADDS };
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./smoke-worker.mjs', import.meta.url), { workerData });
    worker.once('message', () => resolve(worker.terminate()));
    worker.once('error', reject);
  });
}

const counter = new CounterTree();
const workers = await attempt(async () => {
  await Promise.all([countInWorker(counter), countInWorker(counter)]);
  return expectEqual(counter.preciseSum(), 2 * ADDS);
});
const pinned = await attempt(async () => {
  const before = counter.preciseSum();
  const runs = await runOnCpus({ counter, iterations: ADDS });
  return expectEqual(counter.preciseSum(), before + runs.length * ADDS);
});
const scan = await attempt(async () => {
  const readings = await scanRss();
  const own = readings.find(({ pid }) => pid === process.pid);
  return own && own.precise > 0 ? 'ok' : `this process is not among ${readings.length}`;
});
const read = await attempt(() => {
  const { pid, precise, min, max } = readRss();
  if (pid !== process.pid) return `pid ${pid}`;
  return precise > 0 && min <= precise && precise <= max ? 'ok' : `${precise} is not in ${min} to ${max}`;
});

const { engine, cpuSource } = counter.arena ?? (await import(entry)).CounterArena.default;
console.log(
  JSON.stringify({
    addon: native.addon !== undefined,
    reason: native.reason,
    engine,
    cpuSource,
    workers,
    runOnCpus: pinned,
    scanRss: scan,
    readRss: read,
  }),
);
process.exit(0);
