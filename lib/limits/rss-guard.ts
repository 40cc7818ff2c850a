import { EventEmitter } from 'node:events';
import { PercpuError } from '../errors.js';
import { type ProcessFiles, Want } from '../proc/files/process-row.js';
import { openTree, type ProcTree } from '../proc/proc-tree.js';
import { boundsPages, hasMemory, type RssReading, requirePid, toReading } from '../proc/reading.js';
import { scanTree } from '../proc/rss-scanner.js';
import { requireInteger, requireOptions } from '../validate.js';

export interface RssGuardOptions {
  /** Bytes, from 1. */
  limit: number;
  /** The process to watch; the calling one by default. */
  pid?: number;
  /** Milliseconds between two looks, 1 … 2^31 - 1; 1,000 by default. */
  intervalMs?: number;
  /** Bytes below which the process has recovered, at most `limit`; nine tenths of it by default. */
  releaseBelow?: number;
}

export interface RssGuardEvents {
  /** Certainly above the limit; once, until it has recovered. */
  exceeded: [reading: RssReading];
  /** Certainly below `releaseBelow`, after `exceeded`. */
  recovered: [reading: RssReading];
  /** The process has ended, and the guard has stopped. */
  gone: [process: { pid: number }];
  /** The process cannot be judged, `EACCES` for instance; told only to those who listen, once until that changes. */
  error: [error: Error];
}

type Verdict = 'above' | 'below' | 'between' | 'open';

const DEFAULT_INTERVAL_MS = 1_000;
const MAX_INTERVAL_MS = 2 ** 31 - 1;

/**
 * Watches the resident memory of one process, and says that it exceeds a limit only when that is certain: an approximate
 * figure alone never restarts anything. Where the cheap files leave it open, which takes a limit within the error of an
 * approximate figure, the dear one is read off the event loop.
 *
 * Looks are due at multiples of the interval after `start()`, however long one takes; those missed are left out, and two
 * never run at a time. The timer does not keep the process alive.
 */
export class RssGuard extends EventEmitter<RssGuardEvents> {
  readonly #limit: number;
  readonly #releaseBelow: number;
  readonly #intervalMs: number;
  readonly #pid: number;
  readonly #tree: ProcTree;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  /** The multiple of the interval that the timer waits for, or that the look under way is for. */
  #multiple = 0;
  /** Told apart: a look that began before `stop()` or another `start()` says nothing any more. */
  #run = 0;
  #startTicks: number | undefined;
  #isExceeded = false;
  #hasError = false;

  /**
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`; PercpuError `ERR_UNSUPPORTED_PLATFORM` away from
   *   Linux.
   */
  constructor(options: RssGuardOptions);
  /**
   * @param tree what is read instead of this machine's processes.
   * @internal
   */
  constructor(options: RssGuardOptions, tree?: ProcTree);
  constructor(options: RssGuardOptions, tree?: ProcTree) {
    super();
    const { limit, pid, intervalMs, releaseBelow } = requireOptions<RssGuardOptions>(options, [
      'limit',
      'pid',
      'intervalMs',
      'releaseBelow',
    ]);
    this.#limit = requireInteger(limit, 'options.limit', { min: 1, max: Number.MAX_SAFE_INTEGER });
    this.#pid = pid === undefined ? process.pid : requirePid(pid, 'options.pid');
    this.#intervalMs = requireInteger(intervalMs ?? DEFAULT_INTERVAL_MS, 'options.intervalMs', {
      min: 1,
      max: MAX_INTERVAL_MS,
    });
    this.#releaseBelow = requireInteger(releaseBelow ?? Math.floor(0.9 * this.#limit), 'options.releaseBelow', {
      min: 0,
      max: this.#limit,
    });
    this.#tree = tree ?? openTree(undefined);
  }

  /** Looks at once and then every interval. Does nothing while it is watching already. */
  start(): this {
    if (this.#timer) return this;
    this.#run++;
    this.#startTicks = undefined;
    this.#isExceeded = false;
    this.#hasError = false;
    this.#startedAt = performance.now();
    this.#multiple = 0;
    this.#schedule(0);
    return this;
  }

  /** Watches no more; no event comes after it. Idempotent; `start()` begins anew. */
  stop(): void {
    this.#run++;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #schedule(delayMs: number): void {
    const run = this.#run;
    this.#timer = setTimeout(() => void this.#tick(run), delayMs).unref();
  }

  async #tick(run: number): Promise<void> {
    try {
      await this.#look(run);
    } finally {
      // Also after a listener has thrown. Not before: a look that takes longer than the interval must not overlap.
      if (run === this.#run) this.#scheduleNext();
    }
  }

  /** The multiple after the last one, also where the timer came a little early for that: not the same one again. */
  #scheduleNext(): void {
    const elapsed = performance.now() - this.#startedAt;
    this.#multiple = Math.max(this.#multiple, Math.floor(elapsed / this.#intervalMs)) + 1;
    this.#schedule(Math.max(1, Math.ceil(this.#multiple * this.#intervalMs - elapsed)));
  }

  async #look(run: number): Promise<void> {
    let files: ProcessFiles;
    try {
      files = this.#tree.reader.readOne(this.#tree.root, this.#pid, 0);
    } catch (error) {
      if ((error as PercpuError).code === 'ESRCH') this.#leave();
      else this.#report(error as Error);
      return;
    }
    this.#startTicks ??= files.startTicks;
    // A zombie has ended, and so has the process whose pid now is another one's.
    if (files.startTicks !== this.#startTicks || !hasMemory(files)) return this.#leave();
    const verdict = this.#judge(files);
    if (verdict === 'open') await this.#lookCloser(run);
    else this.#tell(verdict, files);
  }

  #leave(): void {
    this.stop();
    this.emit('gone', { pid: this.#pid });
  }

  /** Where a precise figure, or a range it lies in, is in respect of the limits; `open`: only a closer look can tell. */
  #judge(files: ProcessFiles): Verdict {
    const { accounting, pageBytes } = this.#tree;
    const exact = accounting.statmPrecise || files.rollupKiB !== null;
    const bounds = boundsPages(files, this.#tree);
    const precise = toReading(files, this.#tree).precise;
    const min = exact ? precise : bounds.min * pageBytes;
    const max = exact ? precise : bounds.max * pageBytes;
    if (min > this.#limit) return 'above';
    if (max < this.#releaseBelow) return 'below';
    if (this.#isExceeded ? min >= this.#releaseBelow : max <= this.#limit) return 'between';
    return 'open';
  }

  async #lookCloser(run: number): Promise<void> {
    let files: ProcessFiles | undefined;
    try {
      [files] = await scanTree(this.#tree, { pids: [this.#pid], want: Want.ROLLUP });
    } catch (error) {
      return this.#report(error as Error);
    }
    if (run !== this.#run || !files || files.startTicks !== this.#startTicks) return;
    if (files.rollupKiB !== null) return this.#tell(this.#judge(files), files);
    this.#report(
      new PercpuError('EACCES', `the precise memory of process ${this.#pid} is needed and denied`, {
        details: { syscall: 'open', pid: this.#pid, path: `${this.#tree.root}/${this.#pid}/smaps_rollup` },
      }),
    );
  }

  #tell(verdict: Verdict, files: ProcessFiles): void {
    this.#hasError = false;
    if (verdict === 'above' && !this.#isExceeded) {
      this.#isExceeded = true;
      this.emit('exceeded', toReading(files, this.#tree));
    } else if (verdict === 'below' && this.#isExceeded) {
      this.#isExceeded = false;
      this.emit('recovered', toReading(files, this.#tree));
    }
  }

  /** An 'error' that nobody hears would end the process. */
  #report(error: Error): void {
    if (this.#hasError || this.listenerCount('error') === 0) return;
    this.#hasError = true;
    this.emit('error', error);
  }
}
