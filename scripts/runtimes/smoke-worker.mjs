// One of smoke.mjs's two threads: attaches to its counter and adds. The path of the package comes along.
import { parentPort, workerData } from 'node:worker_threads';

const { CounterTree } = await import(workerData.entry);
const counter = CounterTree.attach(workerData.shared);
for (let i = 0; i < workerData.adds; i++) counter.add(1);
parentPort.postMessage('done');
