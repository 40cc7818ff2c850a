// Three ways to count the pages of a process. All have `add(thread, cpu, pages)` and `approximate()`: what a fast read
// gives, in pages, never below 0, as the kernel's readers clamp it.
import { CounterArena, CounterTree, Mm } from '../../dist/index.js';

/**
 * The flat per-CPU counter of Linux 6.2 and later (lib/percpu_counter.c): a part per CPU that is added to the global count
 * when its absolute value reaches `batch`. A fast read is the global count alone.
 */
export class FlatCounter {
  #count = 0;
  #parts;

  constructor(cpus) {
    this.#parts = new Int32Array(cpus);
    this.batch = Math.max(32, 2 * cpus);
  }

  /** Pages that the parts hold back at most. */
  get bound() {
    return this.batch * this.#parts.length;
  }

  add(_thread, cpu, pages) {
    const part = this.#parts[cpu] + pages;
    if (Math.abs(part) >= this.batch) {
      this.#count += part;
      this.#parts[cpu] = 0;
    } else {
      this.#parts[cpu] = part;
    }
  }

  approximate() {
    return Math.max(0, this.#count);
  }
}

/**
 * The scheme before Linux 6.2: each thread keeps up to 64 pages to itself before it adds them to the process's count. (The
 * kernel counted 64 page faults; here as there a thread is 64 pages off at most while it faults pages in one by one.)
 */
export class PerThreadCounter {
  #count = 0;
  #kept;

  constructor(threads) {
    this.#kept = new Int32Array(threads);
  }

  get bound() {
    return 64 * this.#kept.length;
  }

  add(thread, _cpu, pages) {
    this.#kept[thread] += pages;
    if (Math.abs(this.#kept[thread]) <= 64) return;
    this.#count += this.#kept[thread];
    this.#kept[thread] = 0;
  }

  approximate() {
    return Math.max(0, this.#count);
  }
}

/** The anonymous pages of an `Mm`: this package's counter tree. */
export class TreeCounter {
  #mm;

  constructor(cpus) {
    const arena = new CounterArena({ cpus, capacity: 8 });
    const tree = new CounterTree({ arena });
    this.#mm = new Mm({ arena });
    this.batch = tree.batchSize;
    /** Pages below the precise sum at most, as the kernel's series documents it. */
    this.documentedBound = tree.accuracy.under;
    /** The same, as `bounds()` gives it. */
    this.tightBound = tree.bounds().max;
  }

  add(_thread, cpu, pages) {
    this.#mm.addOn(cpu, 'anon', pages);
  }

  approximate() {
    return this.#mm.counter('anon');
  }

  precise() {
    return this.#mm.counterSum('anon');
  }
}
