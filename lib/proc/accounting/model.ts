import { kernelAccuracy, tightSlack, treeShape } from '../../counter/tree-shape.js';

/** How a kernel counts resident pages, which determines the error of a fast read. */
export type AccountingModel = 'per-thread' | 'flat-percpu' | 'hierarchical' | 'unknown';

export interface Accounting {
  model: AccountingModel;
  /** Whether /proc/PID/statm and `status` are precise. */
  statmPrecise: boolean;
  /** Pages that a CPU (per-thread: a thread) counts before it passes them on; 1: every page shows at once. */
  batch: number;
  /** What is unknown, in a sentence; '' for nothing. */
  note: string;
}

export interface CpuCounts {
  online: number;
  possible: number;
}

/** A range in pages: `approximate - over <= precise <= approximate + under`. */
interface ErrorRange {
  under: number;
  over: number;
}

/** RSS is the sum of three counters: file, anonymous and shared memory. */
export const RSS_COUNTERS = 3;

/** Faults that a thread holds back on kernels before 6.2. Source: TASK_RSS_EVENTS_THRESH of their mm/memory.c. */
export const THREAD_BATCH = 64;

/**
 * Faults whose pages a thread can hold back there: the fault after the 65th passes on the count before it adds its own page,
 * and one such page was held back before.
 */
const THREAD_FAULTS = THREAD_BATCH + 2;

/**
 * Pages that one fault can add: on a file it also maps resident neighbours, 64 KiB in all. Removed pages leave the shared count
 * at once. Source: fault_around_bytes of mm/memory.c.
 */
const PAGES_PER_FAULT = 16;

/** The default batch of the hierarchical counter. */
export const TREE_BATCH = 32;

/** @returns pages that a CPU holds back, per counter. Source: compute_batch_value() of lib/percpu_counter.c. */
export function flatBatch(onlineCpus: number): number {
  return Math.max(32, 2 * onlineCpus);
}

/**
 * @returns the largest error of a process's approximate RSS:
 *   flat: three counters, each off by less than one batch per CPU, either way;
 *   hierarchical: three counters within the range that the series documents;
 *   per-thread: under by the pages of `THREAD_FAULTS` faults per thread, over by one page per such fault;
 *   unknown: the larger of flat and per-thread.
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

interface WorstCases {
  /** The flat counter of Linux 6.2: each online CPU holds back one page less than a batch. */
  flat: number;
  /** The counter tree with batches of 32: every leaf and item holds back as much as it can. */
  tree: number;
}

/** Up to 48 CPUs the tree is never tighter; with more CPUs it is, except for 65 and 66. */
export function worstCases({ online, possible }: CpuCounts): WorstCases {
  return { flat: online * (flatBatch(online) - 1), tree: tightSlack(treeShape(possible), TREE_BATCH) };
}
