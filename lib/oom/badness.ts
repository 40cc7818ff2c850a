import { outOfRange } from '../errors.js';
import { requireOneOf } from '../validate.js';
import {
  OOM_SCORE_ADJ_MIN,
  requireBounds,
  requireMemory,
  requirePages,
  requireTask,
  requireTotalPages,
} from './checks.js';
import type { OomMemory, OomTask, PageBounds } from './memory.js';

/** Which figures make a badness. */
export type OomPrecision = 'approximate' | 'precise';

/** @returns pages per unit of `oom_score_adj`: a thousandth of `totalPages`, rounded down, so 0 below 1,000. */
export function adjUnitPages(totalPages: number): number {
  return Math.trunc(totalPages / 1000);
}

/** @returns whether `task` is never a victim: init and kernel threads. */
export function isUnkillable(task: OomTask): boolean {
  return task.pid === 1 || Boolean(task.kernelThread);
}

/** @returns whether `task` competes by its size, as `oom_badness()` of mm/oom_kill.c decides. */
export function isEligible(task: OomTask): boolean {
  return !(
    isUnkillable(task) ||
    task.oomScoreAdj === OOM_SCORE_ADJ_MIN ||
    task.skip ||
    task.inVfork ||
    task.mm == null
  );
}

/** @returns the part of a badness that needs no counter: page tables + `oom_score_adj` x unit, in pages. */
function knownPages(task: OomTask, mm: OomMemory, adjUnit: number): number {
  return requirePages(mm.pageTablePages(), task.pid, 'pageTablePages()') + (task.oomScoreAdj ?? 0) * adjUnit;
}

/** @returns the precise badness of an eligible `task`, in pages. */
export function preciseBadness(task: OomTask, adjUnit: number): number {
  const mm = requireMemory(task);
  const rss = requirePages(mm.rssSum(), task.pid, 'rssSum()');
  const swap = requirePages(mm.swapSum(), task.pid, 'swapSum()');
  return requirePages(rss + swap + knownPages(task, mm, adjUnit), task.pid, 'badness');
}

/**
 * @returns the approximate badness of an eligible `task`, in pages. Its swap is the lower bound, which is the approximate sum
 *   of a counter tree.
 */
export function approximateBadness(task: OomTask, adjUnit: number): number {
  const mm = requireMemory(task);
  const rss = requirePages(mm.rss(), task.pid, 'rss()');
  const swap = requireBounds(mm.swap(), task.pid, 'swap()').min;
  return requirePages(rss + swap + knownPages(task, mm, adjUnit), task.pid, 'badness');
}

/** @returns the range of the precise badness of an eligible `task`, in pages, without any precise sum. */
export function badnessBounds(task: OomTask, adjUnit: number): PageBounds {
  const mm = requireMemory(task);
  const rss = mm.rssBounds();
  const swap = mm.swap();
  const tables = mm.pageTablePages();
  // One test for the usual case: this runs for every task of a scan.
  const isSound =
    Number.isSafeInteger(rss?.min) &&
    Number.isSafeInteger(rss.max) &&
    Number.isSafeInteger(swap?.min) &&
    Number.isSafeInteger(swap.max) &&
    Number.isSafeInteger(tables) &&
    rss.min <= rss.max &&
    swap.min <= swap.max;
  if (!isSound) {
    requireBounds(rss, task.pid, 'rssBounds()');
    requireBounds(swap, task.pid, 'swap()');
    requirePages(tables, task.pid, 'pageTablePages()');
  }
  const known = tables + (task.oomScoreAdj ?? 0) * adjUnit;
  return {
    min: requirePages(rss.min + swap.min + known, task.pid, 'badness'),
    max: requirePages(rss.max + swap.max + known, task.pid, 'badness'),
  };
}

/**
 * What killing `task` frees, as `oom_badness()` of mm/oom_kill.c counts it:
 *
 *     resident pages + swap entries + page-table pages + oom_score_adj x (totalPages / 1000)
 *
 * with an integer division. It can be negative. `origin` and `dying` do not matter.
 *
 * @param totalPages RAM + swap in pages, or what a memory cgroup, cpuset or mempolicy allows of it; 1 .. 2^53 - 1.
 * @param precision `'precise'`, the default, sums the counters; `'approximate'` reads `rss()` and the lower bound of swap.
 * @returns pages; `null` if the task is not eligible: pid 1, `kernelThread`, `oomScoreAdj` -1000, `skip`, `inVfork`, or
 *   no `mm`.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE` (a figure that is not a safe integer, bounds with
 *   min > max); both name the pid. What a method of `task.mm` throws.
 */
export function oomBadness(task: OomTask, totalPages: number, precision: OomPrecision = 'precise'): number | null {
  requireTask(task);
  const adjUnit = adjUnitPages(requireTotalPages(totalPages));
  requireOneOf(precision, 'precision', ['approximate', 'precise']);
  if (!isEligible(task)) return null;
  return precision === 'precise' ? preciseBadness(task, adjUnit) : approximateBadness(task, adjUnit);
}

/**
 * The precise badness of `task` on the scale of `/proc/PID/oom_score` (proc_pid_oom_score(5), `proc_oom_score()` of
 * fs/proc/base.c):
 *
 *     (1000 + badness x 1000 / totalPages) x 2 / 3
 *
 * with each division rounded towards 0. An empty task scores 666; one that fills memory scores 1,333, and 2,000 with
 * `oomScoreAdj` 1000.
 *
 * @returns an integer, at least 0; 0 for a task that is not eligible.
 * @throws what {@link oomBadness} throws; RangeError `ERR_OUT_OF_RANGE` if the score is not a safe integer.
 */
export function oomScore(task: OomTask, totalPages: number): number {
  const badness = oomBadness(task, totalPages);
  if (badness === null) return 0;
  const score = scoreOfBadness(badness, totalPages);
  if (!Number.isSafeInteger(score)) throw outOfRange(`oom score of pid ${task.pid}`, 'a safe integer', score);
  return score;
}

export function scoreOfBadness(badness: number, totalPages: number): number {
  // BigInt divides like C, and badness x 1000 can exceed a double's 53 bits.
  return Math.max(0, Number(((1000n + (BigInt(badness) * 1000n) / BigInt(totalPages)) * 2n) / 3n));
}
