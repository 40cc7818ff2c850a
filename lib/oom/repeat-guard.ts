import { outOfRange } from '../errors.js';
import type { OomTask } from './memory.js';

/**
 * Notices a task object that comes a second time, so that an iterable that goes round in circles ends in an error rather
 * than never. As long as pids rise, as they do in a scan of /proc, no task can be a repeated one and nothing is looked
 * up; a set of all tasks is built at the first pid that does not rise.
 */
export class RepeatGuard {
  #highestPid = -1;
  #rising: OomTask[] = [];
  #seen: Set<OomTask> | undefined;

  /** @throws RangeError `ERR_OUT_OF_RANGE` that names the pid when this very object was given before. */
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
