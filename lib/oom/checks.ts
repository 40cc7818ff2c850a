import { invalidArgType, outOfRange } from '../errors.js';
import { requireInteger } from '../validate.js';
import type { OomMemory, OomTask, PageBounds } from './memory.js';

// These run several times per task of a scan, so messages are composed only on failure.

/** `oom_score_adj` at which a task is never killed for its size; proc_pid_oom_score_adj(5). */
export const OOM_SCORE_ADJ_MIN = -1000;
/** `oom_score_adj` at which all of memory is added to a task's badness; proc_pid_oom_score_adj(5). */
const OOM_SCORE_ADJ_MAX = 1000;

export function requireTotalPages(totalPages: unknown): number {
  return requireInteger(totalPages, 'totalPages', { min: 1, max: Number.MAX_SAFE_INTEGER });
}

/** Requires an integer `pid` >= 0, and `oomScoreAdj`, if present, from -1000 to 1000. */
export function requireTask(task: unknown): OomTask {
  if (typeof task !== 'object' || task === null) throw invalidArgType('a task', 'an object', task);
  const { pid, oomScoreAdj: adj } = task as OomTask;
  if (!Number.isSafeInteger(pid) || pid < 0) {
    requireInteger(pid, 'pid of a task', { min: 0, max: Number.MAX_SAFE_INTEGER });
  }
  if (adj !== undefined && !(Number.isInteger(adj) && adj >= OOM_SCORE_ADJ_MIN && adj <= OOM_SCORE_ADJ_MAX)) {
    requireInteger(adj, `oomScoreAdj of pid ${pid}`, { min: OOM_SCORE_ADJ_MIN, max: OOM_SCORE_ADJ_MAX });
  }
  return task as OomTask;
}

/** Requires every method of {@link OomMemory}. */
export function requireMemory({ mm, pid }: OomTask): OomMemory {
  if (
    typeof mm?.rss !== 'function' ||
    typeof mm.rssSum !== 'function' ||
    typeof mm.rssBounds !== 'function' ||
    typeof mm.swap !== 'function' ||
    typeof mm.swapSum !== 'function' ||
    typeof mm.pageTablePages !== 'function'
  ) {
    const methods = 'rss, rssSum, rssBounds, swap, swapSum, pageTablePages';
    throw invalidArgType(`mm of pid ${pid}`, `an object with the methods ${methods}`, mm);
  }
  return mm;
}

/** Requires a safe integer; errors name `figure` and the pid. */
export function requirePages(pages: number, pid: number, figure: string): number {
  if (Number.isSafeInteger(pages)) return pages;
  const argument = `${figure} of pid ${pid}`;
  if (typeof pages !== 'number') throw invalidArgType(argument, 'a number', pages);
  throw outOfRange(argument, 'a safe integer (at most 2^53 - 1 either way)', pages);
}

/** Requires safe integers with `min <= max`; errors name `figure` and the pid. */
export function requireBounds(bounds: PageBounds, pid: number, figure: string): PageBounds {
  if (typeof bounds !== 'object' || bounds === null) {
    throw invalidArgType(`${figure} of pid ${pid}`, 'an object { min, max }', bounds);
  }
  const min = requirePages(bounds.min, pid, figure);
  if (min > requirePages(bounds.max, pid, figure)) {
    throw outOfRange(`max in ${figure} of pid ${pid}`, `at least its min, ${min}`, bounds.max);
  }
  return bounds;
}
