import { kernelAccuracy, tightSlack, treeShape } from '../../counter/tree-shape.js';

/** How a kernel counts resident pages, and so how wrong a fast read of them can be. */
export type AccountingModel = 'per-thread' | 'flat-percpu' | 'hierarchical' | 'unknown';

/** What is known of a kernel's accounting before it is put in bytes. */
export interface Accounting {
  model: AccountingModel;
  /** Whether /proc/PID/statm is summed up precisely; `status` is whenever `statm` is. */
  statmPrecise: boolean;
  /** Pages a CPU (per-thread: a thread) keeps to itself before it passes them on. 1: none, every page shows at once. */
  batch: number;
  /** What could not be found out, in a sentence; '' for nothing. */
  note: string;
}

/** The CPUs whose counters a figure comes from. */
export interface CpuCounts {
  online: number;
  possible: number;
}

/** A range in pages: `approximate - over <= precise <= approximate + under`. */
interface ErrorRange {
  under: number;
  over: number;
}

/** File, anonymous and shared memory are counted apart, and RSS is their sum. */
export const RSS_COUNTERS = 3;

/** What a thread keeps to itself on kernels before 6.2. Source: TASK_RSS_EVENTS_THRESH of mm/memory.c there. */
export const THREAD_BATCH = 64;

/**
 * Faults whose pages a thread can have kept to itself there: the one after the 65th passes on what there is before it adds
 * its own, and one such own page was there before.
 */
const THREAD_FAULTS = THREAD_BATCH + 2;

/**
 * Pages one fault can bring: on a file it maps the neighbours that are in memory as well, 64 KiB in all. What a thread takes
 * away it takes from the shared count at once. Source: fault_around_bytes of mm/memory.c.
 */
const PAGES_PER_FAULT = 16;

/** What a leaf of the hierarchical counter keeps to itself, unless configured otherwise. */
export const TREE_BATCH = 32;

/** @returns pages a CPU keeps to itself, per counter. Source: compute_batch_value() of lib/percpu_counter.c. */
export function flatBatch(onlineCpus: number): number {
  return Math.max(32, 2 * onlineCpus);
}

/**
 * @returns how far the approximate RSS of a process can be off:
 *   flat: three counters, each short of less than one batch on every CPU, either way;
 *   hierarchical: three counters within the range the series documents;
 *   per-thread: for each thread, what so many faults brought are missing; too many by one page for each of them at most;
 *   unknown: whatever flat or per-thread counters would allow, the larger of the two.
 */
export function errorRange({ model, batch }: Accounting, { online, possible }: CpuCounts, threads: number): ErrorRange {
  if (batch === 1) return { under: 0, over: 0 };
  if (model === 'hierarchical') {
    const { under, over } = kernelAccuracy(treeShape(possible), batch);
    return { under: RSS_COUNTERS * under, over: RSS_COUNTERS * over };
  }
  const faults = model === 'flat-percpu' ? 0 : THREAD_FAULTS * threads;
  const flat = model === 'per-thread' ? 0 : RSS_COUNTERS * batch * online;
  return { under: Math.max(flat, PAGES_PER_FAULT * faults), over: Math.max(flat, faults) };
}

/** The worst error that a fast read of one counter can really show, in pages, under either of two schemes. */
interface WorstCases {
  /** The flat counter of Linux 6.2: each online CPU keeps one page less than a batch. */
  flat: number;
  /** The counter tree with batches of 32: every leaf and item keeps as much as it can. */
  tree: number;
}

/** @returns the worst cases of both schemes on a machine. Up to 48 CPUs the tree is never tighter; above it is, but for 65 and 66 CPUs. */
export function worstCases({ online, possible }: CpuCounts): WorstCases {
  return { flat: online * (flatBatch(online) - 1), tree: tightSlack(treeShape(possible), TREE_BATCH) };
}
