import { channel } from 'node:diagnostics_channel';
import { CounterArena, requireHandle, type SharedArena } from '../counter/arena.js';
import type { ArenaMemory } from '../counter/arena-memory.js';
import { type Bounds, CounterTree } from '../counter/counter-tree.js';
import type { CounterEngine } from '../counter/engine.js';
import { arenaInternals, counterInternals, ExistingState } from '../counter/internals.js';
import { Descriptor, LAYOUT_VERSION, slotOfDescriptor } from '../counter/layout.js';
import { type Accuracy, tightSlack } from '../counter/tree-shape.js';
import { destroyedError, invalidArgType, outOfRange } from '../errors.js';
import { pageBytes } from '../native/page-bytes.js';
import type { OomMemory } from '../oom/memory.js';
import { requireInteger, requireOptions } from '../validate.js';

/** The message on the diagnostics channel `percpu:rss_stat`, published at every change of an mm's counter. */
export interface RssStat {
  mm: Mm;
  /** The counter that changed. */
  member: MmCounter;
  /** Its precise sum after the change, in bytes, at least 0. */
  bytes: number;
}

/**
 * Named after the kernel's tracepoint (include/trace/events/kmem.h). Publishing sums the counter precisely. Without a
 * subscriber, a change costs one read of `hasSubscribers`.
 */
const rssStat = channel('percpu:rss_stat');

/** The counters of an mm: pages of files, anonymous pages, swap entries, pages of shared memory. */
export type MmCounter = 'file' | 'anon' | 'swap' | 'shmem';

/** The kernel's order: MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES (include/linux/mm_types_task.h). */
const MM_COUNTERS: readonly MmCounter[] = ['file', 'anon', 'swap', 'shmem'];

export interface MmOptions {
  /** Where the counters' memory is; default `CounterArena.default`. */
  arena?: CounterArena;
  /** A label; default empty. */
  name?: string;
  /** Bytes of page tables, which are part of badness; default 0. */
  pageTableBytes?: number;
}

/** An mm as a value that `postMessage` and `workerData` carry to other threads of the process. */
export interface SharedMm {
  readonly type: 'percpu.SharedMm';
  readonly version: number;
  readonly processId: number;
  readonly arena: SharedArena;
  readonly name: string;
  readonly pageTableBytes: number;
  /** In the order file, anon, swap, shmem. */
  readonly counters: readonly { readonly slot: number; readonly generation: number }[];
}

/** What is left in the counters of a destroyed mm; the kernel reports it as "Bad rss-counter state". */
export interface MmLeaks {
  /** Pages of each counter that is not 0. */
  leaked: Partial<Record<MmCounter, number>>;
}

interface AttachedMm {
  readonly arena: CounterArena;
  readonly name: string;
  readonly pageTableBytes: number;
  readonly counters: readonly CounterTree[];
}

const existing = new ExistingState<AttachedMm>();

/**
 * The memory counters of a process as the kernel's series keeps them: one counter tree each for files, anonymous memory,
 * swap and shared memory, in **pages** of this machine (`sysconf(_SC_PAGESIZE)`). The resident set is file + anon + shmem.
 *
 * The four trees are made together: their leaves share one cache line per CPU, and their roots share one line. A scan over
 * many mms reads one line each.
 *
 * Reads are clamped at 0 per counter, because concurrent updates can make a sum negative for a moment. They throw a
 * `PercpuError` `ERR_DESTROYED` after `destroy()`, and a RangeError `ERR_OUT_OF_RANGE` if the result is not a safe integer.
 */
export class Mm implements OomMemory {
  // First what approximate reads need, copied from the trees: a scan over many mms then reads these few cache lines and the
  // roots, and not four more objects per mm. They are small integers, which V8 keeps in the object itself.
  readonly #engine: CounterEngine;
  readonly #fileDescriptor: number = 0;
  readonly #fileGeneration: number = 0;
  readonly #anonDescriptor: number = 0;
  readonly #anonGeneration: number = 0;
  readonly #shmemDescriptor: number = 0;
  readonly #shmemGeneration: number = 0;
  readonly #swapDescriptor: number = 0;
  readonly #swapGeneration: number = 0;
  /** Pages: a tree's precise sum is at most this much above its approximate one. */
  readonly #slack: number = 0;
  readonly #pageTablePages: number = 0;

  readonly name: string;
  /** Bytes of page tables. */
  readonly pageTableBytes: number;
  readonly #arena: CounterArena;
  readonly #file: CounterTree;
  readonly #anon: CounterTree;
  readonly #swap: CounterTree;
  readonly #shmem: CounterTree;
  readonly #memory: ArenaMemory;

  /** @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`; PercpuError `ERR_ARENA_FULL`. */
  constructor(options?: MmOptions) {
    const attached = existing.take();
    const {
      arena = CounterArena.default,
      name = '',
      pageTableBytes = 0,
    } = attached ?? requireOptions(options, ['arena', 'name', 'pageTableBytes']);
    if (typeof name !== 'string') throw invalidArgType('options.name', 'a string', name);
    requireInteger(pageTableBytes, 'options.pageTableBytes', { min: 0, max: Number.MAX_SAFE_INTEGER });
    const [file, anon, swap, shmem] = attached?.counters ?? CounterTree.createMany(MM_COUNTERS.length, { arena });
    this.#file = file!;
    this.#anon = anon!;
    this.#swap = swap!;
    this.#shmem = shmem!;
    this.#arena = arena;
    this.name = name;
    this.pageTableBytes = pageTableBytes;
    this.#pageTablePages = Math.floor(pageTableBytes / pageBytes());

    this.#engine = arenaInternals(arena).engine;
    this.#memory = arenaInternals(arena).memory;
    this.#slack = tightSlack(arenaInternals(arena).layout.shape, file!.batchSize) | 0;
    ({ descriptor: this.#fileDescriptor, generation: this.#fileGeneration } = counterInternals(file!));
    ({ descriptor: this.#anonDescriptor, generation: this.#anonGeneration } = counterInternals(anon!));
    ({ descriptor: this.#swapDescriptor, generation: this.#swapGeneration } = counterInternals(swap!));
    ({ descriptor: this.#shmemDescriptor, generation: this.#shmemGeneration } = counterInternals(shmem!));
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

  /** As `add`, on a chosen CPU of the arena's shape, for simulation, replay and tests. */
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
    const engine = this.#engine;
    const file = engine.approximateSum(this.#fileDescriptor, this.#fileGeneration);
    const anon = engine.approximateSum(this.#anonDescriptor, this.#anonGeneration);
    const shmem = engine.approximateSum(this.#shmemDescriptor, this.#shmemGeneration);
    return requireSafePages(Math.max(0, file) + Math.max(0, anon) + Math.max(0, shmem));
  }

  /** Precise resident set in pages. O(CPUs). */
  rssSum(): number {
    return requireSafePages(
      this.#file.preciseSumPositive() + this.#anon.preciseSumPositive() + this.#shmem.preciseSumPositive(),
    );
  }

  /** The range of `rssSum()`, from the approximate sums alone: the three trees' tight bounds, each clamped at 0. O(1). */
  rssBounds(): Bounds {
    const engine = this.#engine;
    const slack = this.#slack;
    const file = engine.approximateSum(this.#fileDescriptor, this.#fileGeneration);
    const anon = engine.approximateSum(this.#anonDescriptor, this.#anonGeneration);
    const shmem = engine.approximateSum(this.#shmemDescriptor, this.#shmemGeneration);
    return {
      min: Math.max(0, file) + Math.max(0, anon) + Math.max(0, shmem),
      max: requireSafePages(Math.max(0, file + slack) + Math.max(0, anon + slack) + Math.max(0, shmem + slack)),
    };
  }

  /** The range of `swapSum()`, in swap entries. O(1). */
  swap(): Bounds {
    const swap = this.#engine.approximateSum(this.#swapDescriptor, this.#swapGeneration);
    return { min: Math.max(0, swap), max: requireSafePages(Math.max(0, swap + this.#slack)) };
  }

  /** Precise swap entries. O(CPUs). */
  swapSum(): number {
    return this.#swap.preciseSumPositive();
  }

  /**
   * The range the kernel documents for `rss()`: `rssSum - under <= rss <= rssSum + over` in pages. It is the sum of the
   * ranges of the three counters, and holds while none of them is below 0.
   */
  get accuracy(): Accuracy {
    const { under, over } = this.#file.accuracy;
    return { under: 3 * under, over: 3 * over };
  }

  /** Whole pages that the page tables take. */
  pageTablePages(): number {
    this.#requireAlive();
    return this.#pageTablePages;
  }

  /**
   * A child's mm: the same name and arena, and new counters at 0, as the kernel makes them before it copies any page.
   *
   * @throws PercpuError `ERR_DESTROYED`, `ERR_ARENA_FULL`.
   */
  fork(): Mm {
    this.#requireAlive();
    return new Mm({ arena: this.#arena, name: this.name });
  }

  /**
   * Frees the counters for all threads, and returns what was left in them: nothing, if a process has unmapped everything.
   * Idempotent: one call of one thread reports, later ones return nothing left. Source: check_mm() of kernel/fork.c.
   */
  destroy(): MmLeaks {
    const leaked: MmLeaks['leaked'] = {};
    if (this.#isAlive()) {
      for (const kind of MM_COUNTERS) {
        try {
          const pages = Number(this.#tree(kind).preciseSumBigInt());
          if (pages !== 0) leaked[kind] = pages;
        } catch {
          // Another thread is destroying the mm.
        }
      }
    }
    // If several threads destroy the mm, the one that frees the first counter reports. All of them free the others, because
    // that thread can be terminated before it does.
    const { slots, layout } = arenaInternals(this.#arena);
    const isFirst = slots.release(slotOfDescriptor(layout, this.#fileDescriptor), this.#fileGeneration);
    for (const kind of MM_COUNTERS) this.#tree(kind).destroy();
    return { leaked: isFirst ? leaked : {} };
  }

  /**
   * From now on any thread may charge the mm, and it outlives the thread that made it.
   *
   * @returns a handle for `postMessage` or `workerData`; any thread of this process can attach it.
   * @throws PercpuError `ERR_DESTROYED`.
   */
  share(): SharedMm {
    const counters = MM_COUNTERS.map((kind) => {
      const { slot, generation } = this.#tree(kind).share();
      return { slot, generation };
    });
    return {
      type: 'percpu.SharedMm',
      version: LAYOUT_VERSION,
      processId: process.pid,
      arena: this.#arena.share(),
      name: this.name,
      pageTableBytes: this.pageTableBytes,
      counters,
    };
  }

  /**
   * Opens an mm of another thread, and its arena if this thread has not attached it yet.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` for a handle that does not fit; PercpuError
   *   `ERR_DESTROYED` if the mm was destroyed.
   */
  static attach(shared: SharedMm): Mm {
    requireHandle(shared, 'shared', 'percpu.SharedMm', 'a handle that Mm.share() returned');
    const { arena, name, pageTableBytes, counters: places, version, processId } = shared;
    if (typeof name !== 'string') throw invalidArgType('shared.name', 'a string', name);
    requireInteger(pageTableBytes, 'shared.pageTableBytes', { min: 0, max: Number.MAX_SAFE_INTEGER });
    if (!Array.isArray(places) || places.length !== MM_COUNTERS.length) {
      throw invalidArgType('shared.counters', `an array of ${MM_COUNTERS.length} counters`, places);
    }
    const counters = places.map((place, index) => {
      if (typeof place !== 'object' || place === null) {
        throw invalidArgType(`shared.counters[${index}]`, 'a slot and a generation', place);
      }
      const { slot, generation } = place;
      return CounterTree.attach({ type: 'percpu.SharedCounter', version, processId, arena, slot, generation });
    });
    const isMm =
      counters.every(({ batchSize }) => batchSize === counters[0]!.batchSize) &&
      new Set(places.map(({ slot }) => slot)).size === places.length;
    if (!isMm) throw outOfRange('shared.counters', 'the four counters of one mm', places);
    const attached = { arena: CounterArena.attach(arena), name, pageTableBytes, counters };
    return existing.construct(attached, () => new Mm());
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #isAlive(): boolean {
    const generation = (this.#fileDescriptor >>> 0) / 4 + Descriptor.GENERATION;
    return Atomics.load(this.#memory.words, generation) === this.#fileGeneration;
  }

  #requireAlive(): void {
    if (!this.#isAlive()) throw destroyedError();
  }

  #tree(kind: MmCounter): CounterTree {
    switch (kind) {
      case 'file':
        return this.#file;
      case 'anon':
        return this.#anon;
      case 'swap':
        return this.#swap;
      case 'shmem':
        return this.#shmem;
      default:
        throw notACounter(kind);
    }
  }

  #publish(member: MmCounter): void {
    // Through a bigint, because a counter may be beyond the safe integers.
    const pages = Math.max(0, Number(this.#tree(member).preciseSumBigInt()));
    rssStat.publish({ mm: this, member, bytes: pages * pageBytes() } satisfies RssStat);
  }
}

function notACounter(kind: unknown): Error {
  if (typeof kind !== 'string') return invalidArgType('kind', 'a string', kind);
  return outOfRange('kind', `one of ${MM_COUNTERS.map((name) => `'${name}'`).join(', ')}`, kind);
}

function requireSafePages(pages: number): number {
  if (Number.isSafeInteger(pages)) return pages;
  throw outOfRange('the pages of an mm', 'a safe integer (at most 2^53 - 1)', pages);
}
