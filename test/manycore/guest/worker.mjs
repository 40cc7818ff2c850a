// Adds to a shared counter on the one CPU it may run on, looking again and again which one it is on.
import { parentPort, workerData } from 'node:worker_threads';
import { CounterTree, currentCpu, getAffinity } from 'percpu';

const { shared, adds } = workerData;
const counter = CounterTree.attach(shared);
const seen = new Set([currentCpu()]);
for (let i = 1; i <= adds; i++) {
  counter.add(1);
  if (i % 1_000 === 0) seen.add(currentCpu());
}
parentPort.postMessage({ allowed: getAffinity(), seen: [...seen] });
