import { CounterArena } from '../counter/arena.js';
import { type Bounds, CounterTree } from '../counter/counter-tree.js';
import { destroyedError, invalidArgType, outOfRange } from '../errors.js';
import type { OomMemory } from '../oom/memory.js';
import { pageBytes } from '../page-bytes.js';
import { requireInteger, requireOptions } from '../validate.js';
import { type RssStat, rssStat } from './rss-stat-channel.js';

/** The counters of an mm: pages of files, anonymous pages, swap entries, pages of shared memory. */
export type MmCounter = 'file' | 'anon' | 'swap' | 'shmem';

/** The kernel's order: MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES (include/linux/mm_types_task.h). */
const MM_COUNTERS: readonly MmCounter[] = ['file', 'anon', 'swap', 'shmem'];

export interface MmOptions {
  /** Where the counters' memory is; default `CounterArena.default`. */
  arena?: CounterArena;
  /** For people; default empty. */
  name?: string;
  /** Bytes of page tables, which count towards badness; default 0. */
  pageTableBytes?: number;
}

/** What is left in an mm's counters when it goes: the kernel reports that as "Bad rss-counter state". */
export interface MmLeaks {
  /** Pages by counter, those that are not 0. */
  leaked: Partial<Record<MmCounter, number>>;
}

/**
 * The memory counters of a process as the kernel's series keeps them: a counter tree each for files, anonymous memory, swap
 * and shared memory, all in **pages** of this machine (`sysconf(_SC_PAGESIZE)`). The resident set is file + anon + shmem.
 *
 * The four trees are made together: their leaves share a cache line per CPU, their roots another one, so a scan over many
 * mms touches one line each.
 *
 * Reads are clamped at 0, counter by counter, since concurrent updates can make a sum negative for a moment.
 */
export class Mm implements OomMemory {
  readonly name: string;
  /** Bytes of page tables. */
  readonly pageTableBytes: number;
  readonly #arena: CounterArena;
  readonly #trees: Readonly<Record<MmCounter, CounterTree>>;
  #destroyed = false;

  /**
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`; PercpuError `ERR_ARENA_FULL`.
   */
  constructor(options?: MmOptions) {
    const { arena = CounterArena.default, name = '', pageTableBytes = 0 } = requireOptions(options);
    if (typeof name !== 'string') throw invalidArgType('options.name', 'a string', name);
    requireInteger(pageTableBytes, 'options.pageTableBytes', { min: 0, max: Number.MAX_SAFE_INTEGER });
    const [file, anon, swap, shmem] = CounterTree.createMany(MM_COUNTERS.length, { arena });
    this.#trees = { file: file!, anon: anon!, swap: swap!, shmem: shmem! };
    this.#arena = arena;
    this.name = name;
    this.pageTableBytes = pageTableBytes;
  }

  /**
   * Adds pages (swap entries for `'swap'`) on the CPU the calling thread runs on.
   *
   * @param pages a safe integer, negative to take away.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`, PercpuError `ERR_DESTROYED`.
   */
  add(kind: MmCounter, pages: number): void {
    this.#tree(kind).add(pages);
    if (rssStat.hasSubscribers) this.#publish(kind);
  }

  /** As `add`, on a chosen CPU of the arena's shape: for simulation, replay and tests. */
  addOn(cpu: number, kind: MmCounter, pages: number): void {
    this.#tree(kind).addOn(cpu, pages);
    if (rssStat.hasSubscribers) this.#publish(kind);
  }

  /** Approximate pages of one counter, at least 0. O(1). */
  counter(kind: MmCounter): number {
    return this.#tree(kind).approximateSumPositive();
  }

  /** Precise pages of one counter, at least 0. O(CPUs). */
  counterSum(kind: MmCounter): number {
    return this.#tree(kind).preciseSumPositive();
  }

  /** Approximate resident set in pages. O(1). */
  rss(): number {
    return this.counter('file') + this.counter('anon') + this.counter('shmem');
  }

  /** Precise resident set in pages. O(CPUs). */
  rssSum(): number {
    return this.counterSum('file') + this.counterSum('anon') + this.counterSum('shmem');
  }

  /** Where `rssSum()` is, from the approximate sums alone: the three trees' tight bounds, each clamped at 0. O(1). */
  rssBounds(): Bounds {
    const file = this.#trees.file.bounds();
    const anon = this.#trees.anon.bounds();
    const shmem = this.#trees.shmem.bounds();
    return {
      min: Math.max(0, file.min) + Math.max(0, anon.min) + Math.max(0, shmem.min),
      max: Math.max(0, file.max) + Math.max(0, anon.max) + Math.max(0, shmem.max),
    };
  }

  /** Where `swapSum()` is, in swap entries. O(1). */
  swap(): Bounds {
    const { min, max } = this.#trees.swap.bounds();
    return { min: Math.max(0, min), max: Math.max(0, max) };
  }

  /** Precise swap entries. O(CPUs). */
  swapSum(): number {
    return this.#trees.swap.preciseSumPositive();
  }

  /** Whole pages that the page tables take. */
  pageTablePages(): number {
    return Math.floor(this.pageTableBytes / pageBytes());
  }

  /**
   * A child's mm: the same name and arena, and counters of its own that begin at 0, as the kernel makes them before it
   * copies any page.
   *
   * @throws PercpuError `ERR_DESTROYED`, `ERR_ARENA_FULL`.
   */
  fork(): Mm {
    if (this.#destroyed) throw destroyedError();
    return new Mm({ arena: this.#arena, name: this.name });
  }

  /**
   * Gives the counters back and tells what was left in them; all should be 0 when a process has unmapped everything.
   * Idempotent: the second time nothing is left. Source: check_mm() of kernel/fork.c.
   */
  destroy(): MmLeaks {
    const leaked: MmLeaks['leaked'] = {};
    if (this.#destroyed) return { leaked };
    this.#destroyed = true;
    for (const kind of MM_COUNTERS) {
      const tree = this.#trees[kind];
      const pages = Number(tree.preciseSumBigInt());
      if (pages !== 0) leaked[kind] = pages;
      tree.destroy();
    }
    return { leaked };
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #tree(kind: MmCounter): CounterTree {
    const tree = this.#trees[kind];
    if (tree instanceof CounterTree) return tree;
    throw typeof kind === 'string'
      ? outOfRange('kind', MM_COUNTERS.map((name) => `'${name}'`).join(', '), kind)
      : invalidArgType('kind', 'a string', kind);
  }

  #publish(member: MmCounter): void {
    rssStat.publish({ mm: this, member, bytes: this.counterSum(member) * pageBytes() } satisfies RssStat);
  }
}
