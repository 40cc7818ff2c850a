// What TestWorker (built.ts) runs: messages { id, task, args } in, { id, result } or { id, error } out.
import { parentPort } from 'node:worker_threads';
import { randomIntegers } from '../../bench/random.mjs';
import * as percpu from '../../dist/index.js';

const { CounterArena, CounterTree, Mm } = percpu;

/** Arenas and counters this thread holds on to, by the name the test gave them. */
const held = new Map();

/** Waits until the test opens the gate, so that threads begin together. */
function pass(gate) {
  if (gate) Atomics.wait(new Int32Array(gate), 0, 0);
}

const tasks = {
  /** Answers as soon as the thread is up. */
  ready: () => ({ source: CounterArena.default.cpuSource, engine: CounterArena.default.engine }),

  describeThread: () => ({ affinity: percpu.getAffinity(), cpu: percpu.currentCpu() }),

  attachArena: ({ arena, name }) => {
    const attached = CounterArena.attach(arena);
    held.set(name, attached);
    return { engine: attached.engine, size: attached.size, shape: attached.shape };
  },

  /** Attaches a counter for later. */
  hold: ({ counter, name }) => void held.set(name, CounterTree.attach(counter)),

  /** Attaches, adds so often, and tells what it saw. */
  add: ({ counter, times = 1, delta = 1, cpu }) => {
    const attached = CounterTree.attach(counter);
    for (let i = 0; i < times; i++) {
      if (cpu === undefined) attached.add(delta);
      else attached.addOn(cpu, delta);
    }
    return { precise: attached.preciseSum(), engine: CounterArena.attach(counter.arena).engine };
  },

  chargeMm: ({ mm, times, gate }) => {
    const attached = Mm.attach(mm);
    pass(gate);
    for (let i = 0; i < times; i++) {
      attached.add('file', 1);
      attached.add('anon', 2);
      attached.add('swap', 3);
      attached.add('shmem', 4);
    }
    return { name: attached.name, pageTableBytes: attached.pageTableBytes };
  },
  destroyMm: ({ mm }) => {
    Mm.attach(mm).destroy();
  },
  makeMm: ({ arena }) => {
    const mm = new Mm({ arena: CounterArena.attach(arena) });
    mm.add('anon', 11);
    return mm.share();
  },
  create: ({ arena, options, name }) => {
    const counter = new CounterTree({ ...options, ...(arena ? { arena: CounterArena.attach(arena) } : {}) });
    held.set(name, counter);
    return counter.share();
  },

  destroy: ({ counter }) => CounterTree.attach(counter).destroy(),

  /** Random adds on several counters; what they come to, counter by counter. */
  count: ({ counters, times, seed, gate }) => {
    const attached = counters.map((counter) => CounterTree.attach(counter));
    const random = randomIntegers(seed);
    const cpus = attached.map((counter) => counter.leaves().length);
    const totals = attached.map(() => 0);
    pass(gate);
    for (let i = 0; i < times; i++) {
      const which = random(attached.length);
      const counter = attached[which];
      const delta = random(4) === 0 ? random(100_000) - 30_000 : random(64) - 20;
      if (random(2) === 0) counter.add(delta);
      else counter.addOn(random(cpus[which]), delta);
      totals[which] += delta;
    }
    return totals;
  },

  /** Creates, reads, attaches and destroys beside the others; throws at the first thing that is not as it should be. */
  churn: ({ arena, counters, times, seed, gate }) => {
    const attachedArena = CounterArena.attach(arena);
    const random = randomIntegers(seed);
    const own = [];
    pass(gate);
    for (let i = 0; i < times; i++) {
      const fresh = CounterTree.createMany(1 + random(3), { arena: attachedArena, initial: i });
      for (const counter of fresh) {
        if (counter.preciseSum() !== i || counter.approximateSum() !== i) throw new Error('a new counter is not fresh');
        const deltas = [random(1000), -random(1000), random(40)];
        for (const delta of deltas) counter.add(delta);
        own.push({ counter, value: i + deltas[0] + deltas[1] + deltas[2] });
      }
      while (own.length > 6) {
        const [{ counter, value }] = own.splice(random(own.length), 1);
        if (counter.preciseSum() !== value) throw new Error(`own counter: ${counter.preciseSum()}, not ${value}`);
        const { min, max } = counter.bounds();
        if (!(min <= value && value <= max)) throw new Error(`own counter: ${value} is not in ${min} … ${max}`);
        counter.destroy();
      }
      const other = CounterTree.attach(counters[random(counters.length)]);
      // Both must be readable at any time; adds are under way, so there is nothing exact to expect of them.
      if (!Number.isSafeInteger(other.preciseSum() + other.approximateSum())) throw new Error('unreadable');
    }
    for (const { counter, value } of own) {
      if (counter.preciseSum() !== value) throw new Error(`own counter: ${counter.preciseSum()}, not ${value}`);
      counter.destroy();
    }
  },

  /** Creates counters one by one, in runs, until the arena is full. */
  createUntilFull: ({ arena, run, gate, times = Number.POSITIVE_INFINITY }) => {
    const attached = CounterArena.attach(arena);
    pass(gate);
    let made = 0;
    try {
      while (made < times) made += CounterTree.createMany(run, { arena: attached }).length;
    } catch ({ name, code, message }) {
      return { made, name, code, message };
    }
    return { made };
  },

  /** Adds to each counter until the thread is terminated, counting in `published` what `add` has returned from. */
  addForEver: ({ counters, published, delta, seed }) => {
    const attached = counters.map((counter) => CounterTree.attach(counter));
    const done = new Int32Array(published);
    const random = randomIntegers(seed);
    const cpus = attached[0].leaves().length;
    for (let n = 1; ; n++) {
      for (const counter of attached) {
        if (n & 1) counter.add(delta);
        else counter.addOn(random(cpus), delta);
      }
      Atomics.store(done, 0, n);
    }
  },

  /** Adds until another thread destroys the counter; says how that was noticed. */
  addUntilDestroyed: ({ name, cpu, gate }) => {
    const attached = held.get(name);
    pass(gate);
    for (let adds = 0; ; adds++) {
      try {
        if (adds & 1) attached.add(1);
        else attached.addOn(cpu, 1);
      } catch ({ code }) {
        return { code, adds };
      }
    }
  },

  /** Starts native runs that are never waited for. */
  startRuns: ({ counter, runs, iterations, threadsPerCpu = 1 }) => {
    const attached = CounterTree.attach(counter);
    for (let i = 0; i < runs; i++) {
      percpu.runOnCpus({ counter: attached, iterations, threadsPerCpu }).catch(() => {});
    }
  },

  /** A native run of this thread's own, waited for. */
  run: ({ counter, iterations, threadsPerCpu, delta }) =>
    percpu.runOnCpus({ counter: CounterTree.attach(counter), iterations, threadsPerCpu, delta }),

  throwUncaught: () => {
    setImmediate(() => {
      throw new Error('on purpose');
    });
    return new Promise(() => {});
  },

  exit: ({ code }) => process.exit(code),
};

parentPort.on('message', async ({ id, task, args }) => {
  try {
    parentPort.postMessage({ id, result: await tasks[task](args) });
  } catch ({ name, code, message }) {
    parentPort.postMessage({ id, error: { name, code, message } });
  }
});
