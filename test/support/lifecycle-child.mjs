// lifecycle-child.mjs STEPS ENDING: goes the first STEPS steps of a counter's life, then ends the process that way.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CounterArena, CounterTree, runOnCpus } from '../../dist/index.js';
import { native } from '../../dist/native/native.js';

const [steps, ending] = [Number(process.argv[2]), process.argv[3]];
const FOR_EVER = Number.MAX_SAFE_INTEGER;

let arena;
let counter;
let handle;
let worker;

const life = [
  function create() {
    arena = new CounterArena();
    [counter] = CounterTree.createMany(3, { arena });
    counter.add(1);
  },
  function share() {
    handle = counter.share();
  },
  async function attachInWorker() {
    worker = new Worker(new URL('./worker-tasks.mjs', import.meta.url));
    worker.postMessage({ id: 0, task: 'add', args: { counter: handle, times: 10 } });
    const [{ error }] = await once(worker, 'message');
    if (error) throw new Error(error.message);
    // A thread that waits for messages does not keep the process.
    worker.unref();
  },
  function run() {
    if (!native.addon) return;
    // A process that is to end by itself ends when the run does.
    const iterations = ending === 'return' ? 2_000_000 : FOR_EVER;
    runOnCpus({ counter, iterations, threadsPerCpu: 2 }).then(() => process.stdout.write('run over\n'));
    worker.postMessage({ id: 1, task: 'startRuns', args: { counter: handle, runs: 2, iterations: FOR_EVER } });
  },
  function destroy() {
    counter.destroy();
  },
];

const endings = {
  return: () => {},
  exit: () => process.exit(7),
  'exit later': () => setTimeout(() => process.exit(7), 20),
  throw: () => {
    throw new Error('on purpose');
  },
  'throw later': () =>
    setTimeout(() => {
      throw new Error('on purpose');
    }, 20),
  reject: () => void Promise.reject(new Error('on purpose')),
};

for (const step of life.slice(0, steps)) await step();
process.stdout.write(`${steps} steps\n`);
endings[ending]();
