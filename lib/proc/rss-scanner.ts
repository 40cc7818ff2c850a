import { readFileSync } from 'node:fs';
import { abortError, invalidArgType, PercpuError } from '../errors.js';
import { requireInteger, requireOptions } from '../validate.js';
import { noProcError } from './files/errors.js';
import type { ProcessFiles } from './files/process-row.js';
import type { Scanner } from './files/reader.js';
import { DEFAULT_ROOT, openTree, openTreeSoon, type ProcTree } from './proc-tree.js';
import { type RssReading, requirePid, toReading, wantedFor } from './reading.js';

export interface RssScannerOptions {
  /** A proc tree to read instead of /proc. */
  root?: string;
  /** The processes to read, in this order; default: every process, by ascending pid. */
  pids?: Iterable<number>;
  /**
   * Most files that stay open between scans, 0 … 2^20, default 8,192; at most half of this process's RLIMIT_NOFILE. A process
   * takes four, or three without the addon or if statm is not precise.
   */
  maxOpenFiles?: number;
}

const DEFAULT_OPEN_FILES = 8_192;
const MOST_OPEN_FILES = 2 ** 20;
const USUAL_LIMIT = 1_024;

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

/**
 * Reads processes repeatedly, for a monitor. The files of known processes stay open, which makes reading two to seven times
 * cheaper and binds them to their process: a reused pid is never mistaken for the old process.
 *
 * With the addon, statm and schedstat show which processes of one thread are idle: they have neither run nor gained or lost
 * memory since the last scan. Their other files are unchanged, and are read only every 16 to 32 scans.
 *
 * Source: proc_pid_statm(5); Documentation/scheduler/sched-stats.rst of the kernel for /proc/PID/schedstat.
 */
export class RssScanner {
  readonly #tree: ProcTree;
  readonly #pids: number[] | undefined;
  readonly #scanner: Scanner;
  #last: Promise<unknown> = Promise.resolve();
  #destroyed = false;

  /**
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`; PercpuError `ENOENT`, `ENOTDIR` if `root` is not a
   *   directory; `ERR_UNSUPPORTED_PLATFORM` without `root` on other systems than Linux.
   */
  constructor(options?: RssScannerOptions) {
    const { root, pids, maxOpenFiles = DEFAULT_OPEN_FILES } = requireOptions(options, ['root', 'pids', 'maxOpenFiles']);
    this.#pids = requirePids(pids);
    requireInteger(maxOpenFiles, 'options.maxOpenFiles', { min: 0, max: MOST_OPEN_FILES });
    this.#tree = openTree(root);
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
  async scan(options?: { signal?: AbortSignal }): Promise<RssReading[]> {
    const signal = requireSignal(requireOptions(options, ['signal']).signal);
    const rows = await this.#scanRows(wantedFor(this.#tree), signal);
    return rows.map((files) => toReading(files, this.#tree));
  }

  async #scanRows(want: number, signal: AbortSignal | undefined): Promise<ProcessFiles[]> {
    const before = this.#last;
    const turn = (async () => {
      await before;
      this.#requireAlive();
      if (signal?.aborted) throw abortError(signal);
      const scan = this.#scanner.scan({
        want,
        ...(this.#pids && { pids: this.#pids }),
        ...(signal && { signal }),
      });
      // A scan that destroy() has ended rejects with ERR_DESTROYED, whatever its own result.
      const rows = await scan.finally(() => this.#requireAlive());
      return requireAnyProcess(rows, this.#tree, this.#pids);
    })();
    this.#last = turn.catch(() => {});
    return turn;
  }

  #requireAlive(): void {
    if (this.#destroyed) throw new PercpuError('ERR_DESTROYED', 'The scanner was destroyed');
  }

  /** Closes all files. Running scans reject with `ERR_DESTROYED`. Idempotent. */
  destroy(): void {
    this.#destroyed = true;
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
 * @param options.root a proc tree to read instead of /proc.
 * @param options.pids the processes to read, in this order; default: every process, by ascending pid.
 * @returns the readings, without processes that end during the scan, that this user may not read, or whose files are malformed;
 *   zombies and kernel threads have figures of 0.
 * @throws (rejects) TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`; PercpuError `ABORT_ERR` with the signal's
 *   reason as `cause`; `ENOENT`, `ENOTDIR` if `root` is not a directory; `ERR_UNSUPPORTED_PLATFORM` on other systems than
 *   Linux.
 */
export async function scanRss(options?: {
  root?: string;
  pids?: number[];
  signal?: AbortSignal;
}): Promise<RssReading[]> {
  const { root, pids, signal } = requireOptions(options, ['root', 'pids', 'signal']);
  const request = { pids: requirePids(pids), signal: requireSignal(signal) };
  const tree = await openTreeSoon(root, request.signal);
  const rows = await scanTree(tree, { ...request, want: wantedFor(tree) });
  return rows.map((files) => toReading(files, tree));
}
