// Adds to a shared counter, and makes, shares and destroys others in the same arena, until told to stop; then says how
// much it has added.
import { parentPort, workerData } from 'node:worker_threads';
import { CounterTree } from '../../dist/index.js';

const ADDS_PER_TURN = 50_000;
const SHORT_LIVED = 100;
/** The memory of counters that were shared is quarantined for a second: how much of it there is must not depend on the load. */
const SHORT_LIVED_EVERY_MS = 100;

const counter = CounterTree.attach(workerData.shared);
let isStopped = false;
let added = 0;

let due = 0;

function makeShortLived() {
  const shortLived = CounterTree.createMany(SHORT_LIVED, { arena: counter.arena, batchSize: 2 });
  for (const [index, one] of shortLived.entries()) {
    one.add(index);
    const sum = CounterTree.attach(one.share()).preciseSum();
    if (sum !== index) throw new Error(`a short-lived counter has ${sum} instead of ${index}`);
    one.destroy();
  }
}

parentPort.once('message', () => {
  isStopped = true;
});

while (!isStopped) {
  for (let i = 0; i < ADDS_PER_TURN; i++) counter.add(workerData.delta);
  added += ADDS_PER_TURN * workerData.delta;
  if (performance.now() >= due) {
    due = performance.now() + SHORT_LIVED_EVERY_MS;
    makeShortLived();
  }
  await new Promise(setImmediate);
}
parentPort.postMessage(added);
