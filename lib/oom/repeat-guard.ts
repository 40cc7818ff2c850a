import { outOfRange } from '../errors.js';
import type { OomTask } from './memory.js';

/**
 * Detects a task object that was given before, so that a cyclic iterable ends in an error. While pids rise, as in a scan of
 * /proc, no task is a repeated one and no lookup is needed. The first pid that does not rise builds a set of all tasks.
 */
export class RepeatGuard {
  #highestPid = -1;
  #rising: OomTask[] = [];
  #seen: Set<OomTask> | undefined;

  /** @throws RangeError `ERR_OUT_OF_RANGE` that names the pid if this object was given before. */
  check(task: OomTask): void {
    if (this.#seen === undefined) {
      if (task.pid > this.#highestPid) {
        this.#highestPid = task.pid;
        this.#rising.push(task);
        return;
      }
      this.#seen = new Set(this.#rising);
      this.#rising = [];
    }
    if (this.#seen.has(task)) {
      throw outOfRange(`tasks (pid ${task.pid} came again)`, 'an iterable that gives each task object once', task);
    }
    this.#seen.add(task);
  }
}
