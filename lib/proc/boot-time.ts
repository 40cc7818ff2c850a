import { readTreeFile } from '../regular-file.js';

/** Milliseconds of a clock tick in /proc: USER_HZ is 100 on every architecture that Node runs on. Source: proc_pid_stat(5). */
export const TICK_MS = 10;

/** By how much the clock may have moved since the last read: a step, a suspend, or much slewing is more. */
const STEP_MS = 500;

/** @returns when the tree's machine booted, in ms since the epoch, to the second; undefined where `stat` does not tell. */
export function parseBootTime(stat: string): number | undefined {
  const [, seconds] = /^btime (\d{1,15})$/m.exec(stat) ?? [];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

/**
 * When a tree's machine booted, by its present clock: the kernel takes it as the time of day less the time since boot, so that it
 * changes when the clock is set. It is read again after such a step, since /proc/stat is long on large machines.
 */
export class BootTime {
  readonly #root: string;
  #known: number | undefined;
  /** The time of day less a clock that is never set. */
  #offset = Number.NaN;

  constructor(root: string) {
    this.#root = root;
  }

  /** @returns ms since the epoch, to the second; 0 where it is not known. */
  ms(): number {
    const offset = Date.now() - performance.now();
    if (!(Math.abs(offset - this.#offset) < STEP_MS)) {
      this.#known = parseBootTime(readTreeFile(`${this.#root}/stat`) ?? '');
      this.#offset = offset;
    }
    return this.#known ?? 0;
  }
}
