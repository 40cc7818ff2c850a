// One sequence of events, counted by all three schemes at once.
import { Random } from '../random.mjs';
import { FlatCounter, PerThreadCounter, TreeCounter } from './schemes.mjs';
import { workloads } from './workloads.mjs';

export const THREADS = 4;
const MOST_SAMPLES = 400;

/** The worst and the mean error of one scheme: approximate - precise, in pages, by its absolute value. */
class ErrorMeter {
  worst = 0;
  #sum = 0;
  #count = 0;

  record(error) {
    const size = Math.abs(error);
    if (size > this.worst) this.worst = size;
    this.#sum += size;
    this.#count++;
  }

  get mean() {
    return this.#sum / this.#count;
  }
}

/** Errors at regular intervals of a run whose length nobody knows: at most `MOST_SAMPLES`, by thinning out. */
class Samples {
  #every = 1;
  kept = [];

  offer(event, makeSample) {
    if (event % this.#every !== 0) return;
    this.kept.push(makeSample());
    if (this.kept.length < MOST_SAMPLES) return;
    this.kept = this.kept.filter((_, i) => i % 2 === 1);
    this.#every *= 2;
  }
}

/**
 * Runs one workload and looks at every scheme after every event.
 *
 * @param {keyof typeof workloads} name
 * @param {number} cpus
 * @param {number} seed
 * @throws Error when the tree is outside its tight bounds after any event: that must never happen.
 */
export function replay(name, cpus, seed) {
  const flat = new FlatCounter(cpus);
  const perThread = new PerThreadCounter(THREADS);
  const tree = new TreeCounter(cpus);
  const meters = { flat: new ErrorMeter(), perThread: new ErrorMeter(), tree: new ErrorMeter() };
  const samples = new Samples();
  let pages = 0;
  let events = 0;
  let mostPages = 0;

  const add = (thread, cpu, delta) => {
    flat.add(thread, cpu, delta);
    perThread.add(thread, cpu, delta);
    tree.add(thread, cpu, delta);
    pages += delta;
    events++;
    if (pages > mostPages) mostPages = pages;
    const errors = {
      flat: flat.approximate() - pages,
      perThread: perThread.approximate() - pages,
      tree: tree.approximate() - pages,
    };
    if (errors.tree > 0 || -errors.tree > tree.tightBound) {
      throw new Error(`The tree is ${errors.tree} pages off after event ${events}: outside its bounds`);
    }
    meters.flat.record(errors.flat);
    meters.perThread.record(errors.perThread);
    meters.tree.record(errors.tree);
    samples.offer(events, () => ({ event: events, pages, ...errors }));
  };

  workloads[name](add, { cpus, threads: THREADS, random: new Random(seed), batch: tree.batch });
  if (tree.precise() !== pages) throw new Error(`The tree's precise sum is ${tree.precise()}, not ${pages}`);
  const scheme = (meter, bounds) => ({ worst: meter.worst, mean: meter.mean, ...bounds });
  return {
    workload: name,
    cpus,
    seed,
    events,
    mostPages,
    flat: scheme(meters.flat, { bound: flat.bound, batch: flat.batch }),
    perThread: scheme(meters.perThread, { bound: perThread.bound }),
    tree: scheme(meters.tree, { bound: tree.tightBound, documentedBound: tree.documentedBound }),
    samples: samples.kept,
  };
}
