// ended-owners-child.mjs SCENARIO: workers that own counters of one arena end; prints what the arena holds then, as JSON.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { CounterArena, CounterTree } from '../../dist/index.js';

const CAPACITY = 65_536;

const inWorker = {
  /** Makes and destroys for ever: it is terminated. */
  churn(arena) {
    parentPort.postMessage('busy');
    for (;;) {
      const counters = CounterTree.createMany(2_000, { arena, initial: 3 });
      for (const counter of counters) counter.destroy();
    }
  },
  hold(arena, ending) {
    const counters = CounterTree.createMany(100, { arena, initial: 5 });
    parentPort.postMessage(counters[0].share());
    if (ending === 'exit') process.exit(0);
    if (ending === 'throw') throw new Error('on purpose');
    if (ending === 'terminate') setInterval(() => {}, 1_000);
  },
  race(arena, _, gate) {
    parentPort.postMessage('ready');
    Atomics.wait(gate, 0, 0);
    let failed = '';
    for (let i = 0; i < 200 && failed === ''; i++) {
      try {
        for (const counter of CounterTree.createMany(100, { arena })) counter.destroy();
      } catch (error) {
        failed = error.message;
      }
    }
    parentPort.postMessage(failed);
  },
};

const start = (what, arena, rest) =>
  new Worker(new URL(import.meta.url), { workerData: { what, arena: arena.share(), ...rest } });

const scenarios = {
  async terminated() {
    const arena = new CounterArena({ cpus: 2, capacity: CAPACITY });
    const own = CounterTree.createMany(10, { arena, initial: 7 });
    for (let round = 0; round < 8; round++) {
      const workers = Array.from({ length: 4 }, () => start('churn', arena));
      await Promise.all(workers.map((worker) => once(worker, 'message')));
      await new Promise((resolve) => setTimeout(resolve, 1 + 3 * round));
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    const size = arena.size;
    const rest = CounterTree.createMany(CAPACITY - 16, { arena });
    const sums = new Set(rest.map((counter) => counter.preciseSum()));
    return { size, filled: arena.size, sums: [...sums], own: own.map((counter) => counter.preciseSum()) };
  },

  /** The same without looking at `size`: a full arena finds the room by itself. */
  async full() {
    const arena = new CounterArena({ cpus: 2, capacity: 2_048 });
    let made = 0;
    for (let round = 0; round < 6; round++) {
      const worker = start('hold', arena, { ending: 'terminate' });
      await once(worker, 'message');
      await worker.terminate();
      for (const counter of CounterTree.createMany(1_900, { arena })) {
        made += counter.preciseSum() === 0 ? 1 : 0;
        counter.destroy();
      }
    }
    return { made, size: arena.size };
  },

  async ending(ending) {
    const arena = new CounterArena({ cpus: 2, capacity: 200 });
    const worker = start('hold', arena, { ending });
    worker.on('error', () => {});
    const ended = new Promise((resolve) => worker.on('exit', resolve));
    const [handle] = await once(worker, 'message');
    if (ending === 'terminate') worker.terminate();
    await ended;
    const shared = CounterTree.attach(handle);
    const before = [arena.size, shared.preciseSum()];
    shared.destroy();
    return { before, after: arena.size };
  },

  /** In a mount namespace of its own: /proc disappears while a worker lives. */
  async withoutProc() {
    const arena = new CounterArena({ cpus: 2, capacity: 200 });
    const worker = start('hold', arena, { ending: 'terminate' });
    await once(worker, 'message');
    const before = arena.size;
    execFileSync('umount', ['-l', '/proc']);
    const after = arena.size;
    await worker.terminate();
    return { before, after };
  },

  async race() {
    const arena = new CounterArena({ cpus: 2, capacity: 512 });
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const workers = Array.from({ length: 2 }, () => start('race', arena, { gate }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const outcomes = Promise.all(workers.map((worker) => once(worker, 'message')));
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    return { failed: (await outcomes).flat(), size: arena.size };
  },
};

if (workerData?.what) {
  inWorker[workerData.what](CounterArena.attach(workerData.arena), workerData.ending, workerData.gate);
} else {
  const [, , scenario, ...args] = process.argv;
  process.stdout.write(JSON.stringify(await scenarios[scenario](...args)));
}
