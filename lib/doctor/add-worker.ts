import { parentPort } from 'node:worker_threads';
import { CounterTree, type SharedCounter } from '../counter/counter-tree.js';
import type { CpuRun } from '../counter/run-on-cpus.js';
import { currentCpu } from '../cpu/current-cpu.js';

export interface AddRequest {
  counter: SharedCounter;
  iterations: number;
  threads: number;
  /** Two words, first 0: the number of ready threads, and 1 once all are ready. */
  gate: Int32Array;
}

function waitForAll({ gate, threads }: AddRequest): void {
  if (Atomics.add(gate, 0, 1) === threads - 1) {
    Atomics.store(gate, 1, 1);
    Atomics.notify(gate, 1);
  }
  Atomics.wait(gate, 1, 0);
}

function addMany(counter: CounterTree, iterations: number): void {
  for (let done = 0; done < iterations; done++) counter.add(1);
}

parentPort?.on('message', (request: AddRequest) => {
  const counter = CounterTree.attach(request.counter);
  waitForAll(request);
  const startCpu = currentCpu();
  const began = process.hrtime.bigint();
  addMany(counter, request.iterations);
  const elapsedNs = Number(process.hrtime.bigint() - began);
  const run: CpuRun = { cpu: -1, startCpu, endCpu: currentCpu(), iterations: request.iterations, elapsedNs };
  parentPort?.postMessage(run);
});
