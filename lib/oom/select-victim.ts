import { hrtime } from 'node:process';
import { invalidArgType } from '../errors.js';
import { requireInteger, requireOneOf, requireOptions } from '../validate.js';
import { adjUnitPages, isEligible, isUnkillable } from './badness.js';
import { Candidates, type Preference } from './candidates.js';
import { requireTask, requireTotalPages } from './checks.js';
import type { OomTask } from './memory.js';
import { RepeatGuard } from './repeat-guard.js';
import { type Strategy, strategies } from './strategies.js';

/**
 * How a victim is found:
 * - `'exact'`: the victim and the badness of `'precise'`, with as few precise sums as possible;
 * - `'kernel'`: the two passes of the kernel series up to its version 16 (version 17 dropped them); right if
 *   `maxPreciseSums` suffices;
 * - `'precise'`: a precise sum of every eligible task;
 * - `'approximate'`: no precise sum.
 */
export type OomStrategy = 'exact' | 'kernel' | 'precise' | 'approximate';

export interface SelectVictimOptions {
  /** RAM + swap in pages, or what a memory cgroup, cpuset or mempolicy allows of it; 1 .. 2^53 - 1. */
  totalPages: number;
  /** Default `'exact'`. */
  strategy?: OomStrategy;
  /**
   * Most precise sums, an integer >= 0; a task beyond it counts with its lowest possible badness. Default 16 for `'kernel'`,
   * no limit for `'exact'`; the other two ignore it.
   */
  maxPreciseSums?: number;
}

export interface VictimSelection {
  /** `null` if no task is eligible, or the selection was aborted. */
  victim: OomTask | null;
  /**
   * The victim's badness in pages: precise with `'precise'` and `'exact'`, approximate with `'approximate'`; its lowest
   * possible one if `maxPreciseSums` was used up. `null` without a victim, or for an `origin` that is not eligible.
   */
  badness: number | null;
  /**
   * Whether no other task can have a higher precise badness than the victim. `false` for an `origin`, which is not chosen
   * for its size, and if a precise sum lay outside the bounds read before it. `true` without a victim.
   */
  certain: boolean;
  /** An earlier victim is still exiting: no task is to be killed now. */
  aborted: boolean;
  /** Tasks taken from the iterable. */
  considered: number;
  /** Tasks that compete by their size (see `oomBadness`), plus an `origin`. */
  eligible: number;
  /** Tasks whose counters were summed precisely. */
  preciseSums: number;
  /** Wall-clock time of the selection, nanoseconds. */
  elapsedNs: number;
}

const KERNEL_PRECISE_SUMS = 16;
const strategyNames = Object.keys(strategies) as OomStrategy[];

/**
 * Chooses the task the OOM killer should kill. It ranks; it never kills.
 *
 * The tasks are scanned once, in the order given, by the rules of `oom_evaluate_task()` in mm/oom_kill.c:
 * 1. init and kernel threads are skipped;
 * 2. a `dying` task aborts the selection; with `skip` it is skipped;
 * 3. an `origin` task is chosen at once, even if it is not eligible by its size, and the scan ends;
 * 4. of the eligible tasks, the one with the highest badness wins; of equal ones, the later.
 *
 * All strategies read every eligible task's bounds, so they reject the same input. `'exact'` and `'kernel'` do not sum a task
 * whose bounds leave one value.
 *
 * @param tasks finite; consumed once, and closed early by rule 2 or 3.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`: `tasks` not iterable, a task not an object or with a wrong `mm`, `options`.
 *   RangeError `ERR_OUT_OF_RANGE`: a value out of range, bounds with min > max, or a task object given twice; each names the
 *   pid. What the iterable or a method of a task's `mm` throws.
 */
export function selectVictim(tasks: Iterable<OomTask>, options: SelectVictimOptions): VictimSelection {
  return selectPreferred(tasks, options, noPreference);
}

function noPreference(): number {
  return 0;
}

/** As {@link selectVictim}, by badness + preference: the figures of the selection, in pages, hold both. */
export function selectPreferred(
  tasks: Iterable<OomTask>,
  options: SelectVictimOptions,
  preference: Preference,
): VictimSelection {
  const start = hrtime.bigint();
  const { totalPages, strategy, limit } = readOptions(options);
  if (typeof tasks?.[Symbol.iterator] !== 'function') throw invalidArgType('tasks', 'an iterable of tasks', tasks);

  const approximate = strategy === 'approximate';
  let candidates = new Candidates(adjUnitPages(totalPages), approximate, preference);
  let origin: OomTask | null = null;
  let aborted = false;
  let considered = 0;
  const repeats = new RepeatGuard();
  for (const task of tasks) {
    repeats.check(requireTask(task));
    considered++;
    if (isUnkillable(task)) continue;
    if (task.dying) {
      if (task.skip) continue;
      aborted = true;
      break;
    }
    if (task.origin) {
      origin = task;
      break;
    }
    if (isEligible(task)) candidates.add(task);
  }

  const eligible = candidates.length + (origin ? 1 : 0);
  if (aborted || origin) candidates = new Candidates(adjUnitPages(totalPages), approximate, preference);
  if (origin && isEligible(origin)) candidates.add(origin);

  const search: Strategy = strategies[strategy];
  const winner = search(candidates, limit);
  const badness = (approximate ? candidates.approximate : candidates.lower)[winner] ?? null;
  return {
    victim: origin ?? candidates.tasks[winner] ?? null,
    badness,
    certain: origin === null && (winner === -1 || candidates.isCertain(winner)),
    aborted,
    considered,
    eligible,
    preciseSums: candidates.preciseSums,
    elapsedNs: Number(hrtime.bigint() - start),
  };
}

function readOptions(options: SelectVictimOptions): { totalPages: number; strategy: OomStrategy; limit: number } {
  const {
    totalPages,
    strategy = 'exact',
    maxPreciseSums,
  } = requireOptions(options, ['totalPages', 'strategy', 'maxPreciseSums']);
  requireOneOf(strategy, 'strategy', strategyNames);
  if (maxPreciseSums !== undefined) {
    requireInteger(maxPreciseSums, 'maxPreciseSums', { min: 0, max: Number.MAX_SAFE_INTEGER });
  }
  const unlimited = strategy === 'kernel' ? KERNEL_PRECISE_SUMS : Number.POSITIVE_INFINITY;
  return { totalPages: requireTotalPages(totalPages), strategy, limit: maxPreciseSums ?? unlimited };
}
