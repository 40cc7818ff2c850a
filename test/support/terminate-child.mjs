// terminate-child.mjs WHAT ENDING: ends worker threads, or with ENDING 'exit' the process, while they are busy with WHAT.
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { CounterArena, CounterTree, currentCpu, getAffinity, runOnCpus, setAffinity } from '../../dist/index.js';

const REPETITIONS = 8;
const WORKERS = 3;

const allowed = getAffinity();
let counter;

const busyWith = {
  getAffinity: () => getAffinity(),
  setAffinity: () => setAffinity(allowed),
  currentCpu: () => currentCpu(),
  'a refused setAffinity': () => {
    try {
      setAffinity(2 ** 20 - 1);
    } catch {}
  },
  runOnCpus: async () => {
    const runs = Array.from({ length: 20 }, () => runOnCpus({ counter, iterations: 100 }));
    await Promise.race(runs);
  },
  'creating and destroying': () => new CounterTree({ arena: CounterArena.default }).destroy(),
  adding: () => counter.add(3),
};

async function work(what) {
  counter = new CounterTree();
  const act = busyWith[what];
  parentPort.postMessage('busy');
  for (;;) {
    for (let i = 0; i < 50; i++) await act();
    await new Promise(setImmediate);
  }
}

async function end(what, ending) {
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    const workers = Array.from(
      { length: WORKERS },
      () => new Worker(new URL(import.meta.url), { workerData: { what } }),
    );
    if (what === 'loading') await new Promise((resolve) => setTimeout(resolve, repetition * 3));
    else await Promise.all(workers.map((worker) => once(worker, 'message')));
    await new Promise((resolve) => setTimeout(resolve, repetition % 4));
    if (ending === 'exit') process.exit(7);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

if (workerData?.what) {
  if (workerData.what !== 'loading') await work(workerData.what);
} else {
  await end(process.argv[2], process.argv[3]);
  process.stdout.write('survived');
}
