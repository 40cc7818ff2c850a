import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { abortError, invalidArgType, PercpuError } from '../errors.js';
import { requireBoolean, requireInteger, requireOptions } from '../validate.js';
import { noProcError } from './files/errors.js';
import type { ProcessFiles } from './files/process-row.js';
import type { Scanner } from './files/reader.js';
import { Identities } from './identity.js';
import { DEFAULT_ROOT, openTree, openTreeSoon, type ProcTree } from './proc-tree.js';
import {
  hasMemory,
  PART_NAMES,
  type Parts,
  type ReadingWith,
  type ReadOptions,
  type RssReading,
  readingWith,
  requireParts,
  requirePid,
  wantedFor,
} from './reading.js';
import { TimeSlice } from './time-slice.js';

/** Which processes are read, and how. */
export interface ScanOptions extends ReadOptions {
  /** The processes to read, in this order; without them every process, by ascending pid. */
  pids?: Iterable<number>;
  /** Also processes without memory: kernel threads and zombies, whose figures are 0. Default false. */
  all?: boolean;
}

export interface RssScannerOptions extends ScanOptions {
  /**
   * Most files that stay open between scans, 0 … 2^20, default 8,192; at most half of this process's RLIMIT_NOFILE. A process
   * takes four, or three without the addon or if statm is not precise.
   */
  maxOpenFiles?: number;
}

const DEFAULT_OPEN_FILES = 8_192;
const MOST_OPEN_FILES = 2 ** 20;
const USUAL_LIMIT = 1_024;

/** The longest delay of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The soft limit on open files, by /proc/self/limits; proc_pid_limits(5). */
function openFilesLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return soft === 'unlimited' ? MOST_OPEN_FILES : Number(soft ?? USUAL_LIMIT);
  } catch {
    return USUAL_LIMIT;
  }
}

function requireSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw invalidArgType('options.signal', 'an AbortSignal', signal);
}

function requirePids(pids: unknown): number[] | undefined {
  if (pids === undefined) return undefined;
  if (typeof pids !== 'object' || pids === null || !(Symbol.iterator in pids)) {
    throw invalidArgType('options.pids', 'an iterable of numbers', pids);
  }
  return Array.from(pids as Iterable<unknown>, (pid, index) => requirePid(pid, `options.pids[${index}]`));
}

/** What every() yields: one scan, and what has changed since the one before. */
export interface RssScan<Reading> {
  readings: Reading[];
  /** Pids of processes that have come and gone. A pid that changed hands is in both. Empty at the first scan. */
  started: number[];
  ended: number[];
  /** When the scan was done, in ms since the epoch. */
  at: number;
}

/** The start of each process, in clock ticks, by its pid: the two together identify it. */
type Starts = ReadonlyMap<number, number>;

/** What toReadings() makes of one scan. */
interface Readings {
  readings: RssReading[];
  starts: Starts;
}

/** @returns the pids of processes that are in `a` and not in `b`. */
function difference(a: Starts, b: Starts): number[] {
  return [...a].filter(([pid, startTicks]) => b.get(pid) !== startTicks).map(([pid]) => pid);
}

/** Makes readings of rows, in slices: who a process is takes files that are read here. */
async function toReadings(
  rows: ProcessFiles[],
  tree: ProcTree,
  parts: Parts,
  { all, identities, signal }: { all: boolean; identities: Identities | undefined; signal: AbortSignal | undefined },
): Promise<Readings> {
  const readings: RssReading[] = [];
  const starts = new Map<number, number>();
  const slice = new TimeSlice();
  for (const files of rows) {
    if (!all && !hasMemory(files)) continue;
    const reading = readingWith(files, tree, parts, identities);
    if (!reading) continue;
    readings.push(reading);
    starts.set(files.pid, files.startTicks);
    if (identities && slice.isOver()) await slice.next(signal);
  }
  identities?.keep(rows);
  return { readings, starts };
}

/**
 * Reads processes repeatedly, for a monitor. The files of known processes stay open, which makes reading two to seven times
 * cheaper and binds them to their process: a reused pid is never mistaken for the old process.
 *
 * With the addon, statm and schedstat show which processes of one thread are idle: they have neither run nor gained or lost
 * memory since the last scan. Their other files are unchanged, and are read only every 16 to 32 scans.
 *
 * Source: proc_pid_statm(5); Documentation/scheduler/sched-stats.rst of the kernel for /proc/PID/schedstat.
 */
export class RssScanner<const Options extends RssScannerOptions = Record<never, never>> {
  readonly #tree: ProcTree;
  readonly #pids: number[] | undefined;
  readonly #all: boolean;
  readonly #parts: Parts;
  readonly #identities: Identities | undefined;
  readonly #scanner: Scanner;
  #last: Promise<unknown> = Promise.resolve();
  /** Aborted by destroy(). */
  readonly #life = new AbortController();

  /**
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`; PercpuError `ENOENT`, `ENOTDIR` if `root` is not a
   *   directory; `ERR_UNSUPPORTED_PLATFORM` without `root` on other systems than Linux.
   */
  constructor(options?: Options) {
    const {
      root,
      pids,
      all = false,
      maxOpenFiles = DEFAULT_OPEN_FILES,
      ...parts
    } = requireOptions<RssScannerOptions>(options, ['root', 'pids', 'all', 'maxOpenFiles', ...PART_NAMES]);
    this.#pids = requirePids(pids);
    this.#all = requireBoolean(all, 'options.all');
    this.#parts = requireParts(parts);
    requireInteger(maxOpenFiles, 'options.maxOpenFiles', { min: 0, max: MOST_OPEN_FILES });
    this.#tree = openTree(root);
    this.#identities = this.#parts.identity ? new Identities(this.#tree) : undefined;
    const bound = Math.min(maxOpenFiles, Math.floor(openFilesLimit() / 2));
    this.#scanner = this.#tree.reader.openScanner(this.#tree.root, bound);
  }

  /** Number of open files. */
  get openFiles(): number {
    return this.#scanner.openFiles;
  }

  /**
   * Reads every process once; with the addon, off the event loop. Concurrent calls run one after another.
   *
   * @param options.signal ends this scan early.
   * @returns one reading per process, without those that end during the scan, that this user may not read, or whose files are
   *   malformed.
   * @throws (rejects) PercpuError `ERR_DESTROYED`; `ABORT_ERR` with the signal's reason as `cause`; `ENOENT`, `ENOTDIR` if the
   *   root was removed. TypeError `ERR_INVALID_ARG_TYPE`.
   */
  async scan(options?: { signal?: AbortSignal }): Promise<ReadingWith<Options>[]> {
    const signal = requireSignal(requireOptions(options, ['signal']).signal);
    return (await this.#scan(signal)).readings as ReadingWith<Options>[];
  }

  /**
   * Scans at once and then at every multiple of the interval. A scan that takes longer than the interval delays the next to the
   * multiple after it. Scans are made while the caller waits for one: none is made ahead. Leaving the loop ends it.
   *
   * @param intervalMs 1 … 2^31 - 1.
   * @param options.signal ends the loop: it throws `ABORT_ERR`.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`. (in the loop) as `scan()`; `ERR_DESTROYED` also
   *   where the scanner is destroyed while the loop waits.
   */
  every(intervalMs: number, options?: { signal?: AbortSignal }): AsyncIterableIterator<RssScan<ReadingWith<Options>>> {
    requireInteger(intervalMs, 'intervalMs', { min: 1, max: MAX_TIMER_MS });
    const signal = requireSignal(requireOptions(options, ['signal']).signal);
    return this.#every(intervalMs, signal);
  }

  async *#every(
    intervalMs: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<RssScan<ReadingWith<Options>>, undefined> {
    const begin = performance.now();
    let before: Starts | undefined;
    for (let multiple = 0; ; ) {
      const { readings, starts } = await this.#scan(signal);
      yield {
        readings: readings as ReadingWith<Options>[],
        started: before ? difference(starts, before) : [],
        ended: before ? difference(before, starts) : [],
        at: Date.now(),
      };
      before = starts;
      const elapsed = performance.now() - begin;
      multiple = Math.max(multiple, Math.floor(elapsed / intervalMs)) + 1;
      await this.#sleep(multiple * intervalMs - elapsed, signal);
    }
  }

  /** @throws (rejects) `ABORT_ERR`, `ERR_DESTROYED`. */
  async #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const wake = new AbortController();
    const onEnd = () => wake.abort();
    this.#life.signal.addEventListener('abort', onEnd, { once: true });
    signal?.addEventListener('abort', onEnd, { once: true });
    try {
      if (!signal?.aborted && !this.#life.signal.aborted) await sleep(ms, undefined, { signal: wake.signal });
    } catch {
      // Woken: by which of the two, the lines below tell.
    } finally {
      this.#life.signal.removeEventListener('abort', onEnd);
      signal?.removeEventListener('abort', onEnd);
    }
    this.#requireAlive();
    if (signal?.aborted) throw abortError(signal);
  }

  async #scan(signal: AbortSignal | undefined): Promise<Readings> {
    const before = this.#last;
    const turn = (async () => {
      await before;
      this.#requireAlive();
      if (signal?.aborted) throw abortError(signal);
      const scan = this.#scanner.scan({
        want: wantedFor(this.#tree, this.#parts),
        ...(this.#pids && { pids: this.#pids }),
        ...(signal && { signal }),
      });
      // A scan that destroy() has ended rejects with ERR_DESTROYED, whatever its own result.
      const rows = await scan.finally(() => this.#requireAlive());
      requireAnyProcess(rows, this.#tree, this.#pids);
      return toReadings(rows, this.#tree, this.#parts, { all: this.#all, identities: this.#identities, signal });
    })();
    this.#last = turn.catch(() => {});
    return turn;
  }

  #requireAlive(): void {
    if (this.#life.signal.aborted) throw new PercpuError('ERR_DESTROYED', 'The scanner was destroyed');
  }

  /** Closes all files. Running scans reject with `ERR_DESTROYED`. Idempotent. */
  destroy(): void {
    this.#life.abort();
    this.#scanner.close();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

/**
 * A /proc without any process, even the calling one, is not the kernel's.
 *
 * @throws PercpuError `ERR_UNSUPPORTED_PLATFORM`.
 */
function requireAnyProcess(rows: ProcessFiles[], tree: ProcTree, pids: readonly number[] | undefined): ProcessFiles[] {
  if (rows.length === 0 && !pids && tree.root === DEFAULT_ROOT) throw noProcError();
  return rows;
}

export async function scanTree(
  tree: ProcTree,
  request: { pids?: readonly number[] | undefined; want: number; signal?: AbortSignal | undefined },
): Promise<ProcessFiles[]> {
  const { pids, want, signal } = request;
  if (signal?.aborted) throw abortError(signal);
  const scanner = tree.reader.openScanner(tree.root, 0);
  try {
    const rows = await scanner.scan({ want, ...(pids && { pids }), ...(signal && { signal }) });
    return requireAnyProcess(rows, tree, pids);
  } finally {
    scanner.close();
  }
}

/**
 * One reading of every process, as {@link readRss}; with the addon, off the event loop.
 *
 * @returns the readings, without processes that end during the scan, that this user may not read, or whose files are malformed.
 * @throws (rejects) TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`; PercpuError `ABORT_ERR` with the signal's
 *   reason as `cause`; `ENOENT`, `ENOTDIR` if `root` is not a directory; `ERR_UNSUPPORTED_PLATFORM` on other systems than
 *   Linux.
 */
export async function scanRss<const Options extends ScanOptions & { signal?: AbortSignal } = Record<never, never>>(
  options?: Options,
): Promise<ReadingWith<Options>[]> {
  const names = ['root', 'pids', 'all', 'signal', ...PART_NAMES] as const;
  const given = requireOptions<ScanOptions & { signal?: AbortSignal }>(options, names);
  const parts = requireParts(given);
  const all = requireBoolean(given.all === undefined ? false : given.all, 'options.all');
  const pids = requirePids(given.pids);
  const signal = requireSignal(given.signal);
  const tree = await openTreeSoon(given.root, signal);
  const rows = await scanTree(tree, { pids, signal, want: wantedFor(tree, parts) });
  const identities = parts.identity ? new Identities(tree) : undefined;
  const { readings } = await toReadings(rows, tree, parts, { all, identities, signal });
  return readings as ReadingWith<Options>[];
}
