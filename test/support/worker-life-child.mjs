// worker-life-child.mjs STEPS ENDING: workers go the first STEPS steps of a counter's life, with garbage collected in
// between, and end that way; what this thread shares with them goes on. Run with --expose-gc.

import { readdirSync } from 'node:fs';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { CounterArena, CounterTree, runOnCpus } from '../../dist/index.js';
import { native } from '../../dist/native/native.js';

const FOR_EVER = Number.MAX_SAFE_INTEGER;
const WORKERS = 4;
const ROUNDS = 3;

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function collect() {
  for (let i = 0; i < 2; i++) {
    globalThis.gc();
    await turn();
  }
}

async function live({ steps, ending, shared }) {
  let arena;
  let own;
  let attached;
  const life = [
    function create() {
      arena = new CounterArena({ cpus: 4, capacity: 10 });
      own = new CounterTree({ arena });
      own.add(1);
    },
    function share() {
      parentPort.postMessage({ handle: own.share() });
    },
    function attach() {
      attached = CounterTree.attach(shared);
      attached.add(7);
    },
    function run() {
      if (!native.addon) return;
      for (const counter of [own, attached]) {
        runOnCpus({ counter, iterations: ending === 'return' ? 300_000 : FOR_EVER, delta: 7 }).catch(() => {});
      }
    },
    function destroy() {
      own.destroy();
      // The run is what keeps it now.
      arena = own = undefined;
    },
  ];
  for (const step of life.slice(0, steps)) {
    step();
    await collect();
  }
  parentPort.postMessage({ done: true });
  if (ending === 'exit') process.exit(3);
  if (ending === 'throw') throw new Error('on purpose');
  // It answers nobody: it waits for its end, with garbage all the while.
  if (ending === 'terminate') setInterval(() => globalThis.gc(), 1);
}

const CODES = { terminate: 1, exit: 3, throw: 1, return: 0 };

/** A worker that goes all the steps may have destroyed its counter before this thread hears of it. */
function attachUnlessDestroyed(handle, steps) {
  try {
    return [CounterTree.attach(handle)];
  } catch (error) {
    if (steps < 5 || error.code !== 'ERR_DESTROYED') throw error;
    return [];
  }
}

async function endOne(shared, steps, ending) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { steps, ending, shared } });
  const errors = [];
  worker.on('error', ({ message }) => errors.push(message));
  const exit = new Promise((resolve) => worker.on('exit', resolve));
  const attached = [];
  const done = new Promise((resolve) => {
    worker.on('message', ({ handle, done: isDone }) => {
      if (handle) attached.push(...attachUnlessDestroyed(handle, steps));
      if (isDone) resolve();
    });
    worker.on('exit', resolve);
  });
  await done;
  globalThis.gc();
  if (ending === 'terminate') await worker.terminate();
  const code = await exit;
  if (code !== CODES[ending]) throw new Error(`a worker ended with ${code}`);
  if (errors.some((message) => message !== 'on purpose')) throw new Error(`a worker failed: ${errors}`);
  // What it made lives on in the handle: of use to this thread, as long as nobody has destroyed it.
  for (const counter of attached) {
    if (steps >= 5) continue;
    const before = counter.preciseSum();
    counter.add(2);
    if (counter.preciseSum() !== before + 2) throw new Error('the counter of a dead worker is not exact');
    counter.destroy();
  }
}

async function main(steps, ending) {
  const threads = () => readdirSync('/proc/self/task').length;
  const counter = new CounterTree({ arena: new CounterArena({ cpus: 4, capacity: 2 }) });
  await endOne(counter.share(), 0, 'return');
  const before = threads();
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: WORKERS }, () => endOne(counter.share(), steps, ending)));
    await collect();
  }
  for (let waited = 0; threads() > before; waited++) {
    if (waited > 2_000) throw new Error(`${threads()} threads, ${before} before`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // Every add of a worker was 7.
  const sum = counter.preciseSum();
  const { min, max } = counter.bounds();
  if (sum % 7 !== 0 || !(min <= sum && sum <= max)) throw new Error(`${sum}, ${min} … ${max}`);
  if (steps >= 3 && sum < 7 * WORKERS * ROUNDS) throw new Error(`only ${sum}`);
  counter.destroy();
  process.stdout.write('survived');
}

if (workerData?.ending) await live(workerData);
else await main(Number(process.argv[2]), process.argv[3]);
