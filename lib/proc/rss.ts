import { invalidArgType } from '../errors.js';
import { native } from '../native.js';
import { requireInteger, requireOptions } from '../validate.js';
import { errorRange } from './accounting-model.js';
import { processError } from './proc-errors.js';
import { openTree, type ProcTree } from './proc-tree.js';
import { type ProcessFiles, Want } from './process-files.js';

/** One process's resident memory. All figures in bytes. */
export interface RssReading {
  pid: number;
  /** The command name as the kernel has it: any characters, control characters included. */
  name: string;
  /** /proc/PID/stat: what `process.memoryUsage.rss()`, pidusage, pm2 and others report. */
  approximate: number;
  /** What there is. Approximate as well where `source` is 'statm' and `rssAccounting().statmPrecise` is false. */
  precise: number;
  /** The range `approximate` alone allows: the precise figure lies in it, both ends included. */
  min: number;
  max: number;
  /** Anonymous memory, file mappings and shared memory that are resident; swapped out; page tables. */
  anon: number;
  file: number;
  shmem: number;
  swap: number;
  pageTables: number;
  /** The file that `precise` comes from. */
  source: 'statm' | 'smaps_rollup';
}

/** Largest process id the types of the kernel hold; the kernel itself stops at 2^22. */
export const MAX_PID = 2 ** 31 - 1;

/** @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`. */
export function requirePid(pid: unknown, argument = 'pid'): number {
  if (typeof pid !== 'number') throw invalidArgType(argument, "a number or 'self'", pid);
  return requireInteger(pid, argument, { min: 1, max: MAX_PID });
}

/** Which files a reading needs besides the three. */
export function wantedFor({ accounting }: ProcTree): number {
  return accounting.statmPrecise ? 0 : Want.ROLLUP;
}

/** Kernel threads and zombies have no memory, and so nothing about it can be wrong. */
export function hasMemory(files: ProcessFiles): boolean {
  return !files.kernelThread && !(/^[ZX]$/i.test(files.state) && files.residentPages === 0 && files.statRssPages === 0);
}

/** @returns where the precise RSS must lie by the approximate one, in pages. */
export function boundsPages(files: ProcessFiles, { accounting, cpus }: ProcTree): { min: number; max: number } {
  if (!hasMemory(files)) return { min: 0, max: 0 };
  const { under, over } = errorRange(accounting, cpus, files.threads);
  return { min: Math.max(0, files.statRssPages - over), max: files.statRssPages + under };
}

/** @returns the reading that a process's files make, in bytes. */
export function toReading(files: ProcessFiles, tree: ProcTree): RssReading {
  const { pageBytes } = tree;
  const { min, max } = boundsPages(files, tree);
  const fromRollup = !tree.accounting.statmPrecise && files.rollupKiB !== null;
  return {
    pid: files.pid,
    name: files.name,
    approximate: files.statRssPages * pageBytes,
    precise: fromRollup ? files.rollupKiB! * 1024 : files.residentPages * pageBytes,
    min: min * pageBytes,
    max: max * pageBytes,
    anon: files.anonKiB * 1024,
    file: files.fileKiB * 1024,
    shmem: files.shmemKiB * 1024,
    swap: files.swapKiB * 1024,
    pageTables: files.pageTableKiB * 1024,
    source: fromRollup ? 'smaps_rollup' : 'statm',
  };
}

/**
 * One process's resident memory by every account: what monitors read, what there is, what the first allows, and what it
 * is made of. Reads /proc/PID/statm and status, smaps_rollup where statm is not precise, and stat, one after the other: a
 * process that grows meanwhile may show more in the later ones. All of them are the same process's, though its pid may have
 * been another's before and be another's after.
 *
 * Kernel threads and zombies have no memory: all figures 0. Where only the first thread has ended, which makes /proc/PID look
 * like a zombie's, the figures are those of the other threads. Another user's smaps_rollup may be denied; `source` then says
 * 'statm'.
 *
 * Sources: proc_pid_stat(5), proc_pid_statm(5), proc_pid_status(5), proc_pid_smaps(5).
 *
 * @param pid a process id from 1 to 2^31 - 1, or 'self'.
 * @param options.root a proc tree to read instead of /proc, of another machine for instance; its pages have this machine's
 *   size, its CPUs are those of its own `stat`, and what its files mean is told from themselves where possible.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`; PercpuError `ESRCH` (no such process), `EACCES`,
 *   `EBADMSG` (a file that makes no sense, or is no regular file), with `pid` and `path`; `ENOENT`, `ENOTDIR` for a root that is none;
 *   `ERR_UNSUPPORTED_PLATFORM` away from Linux.
 */
export function readRss(pid: number | 'self' = 'self', options?: { root?: string }): RssReading {
  const which = pid === 'self' ? pid : requirePid(pid);
  const tree = openTree(requireOptions(options, ['root']).root);
  return toReading(tree.reader.readOne(tree.root, which, wantedFor(tree)), tree);
}

/** @returns this process's statm, or undefined where the addon cannot tell. */
function ownResidentBytes(tree: ProcTree): number | undefined {
  const pages = native.addon?.ownResidentPages();
  return pages !== undefined && pages >= 0 ? pages * tree.pageBytes : undefined;
}

/**
 * The precise resident memory of a process, in bytes: what `process.memoryUsage.rss()` should have said. For the calling
 * process it costs about one microsecond with the addon, from a file that stays open.
 *
 * @throws as {@link readRss}; `EACCES` where only a precise figure that is denied would do.
 */
export function rss(pid: number | 'self' = 'self'): number {
  const which = pid === 'self' ? pid : requirePid(pid);
  const tree = openTree(undefined);
  if (which === 'self' && tree.accounting.statmPrecise) {
    const own = ownResidentBytes(tree);
    if (own !== undefined) return own;
  }
  const files = tree.reader.readOne(tree.root, which, wantedFor(tree));
  const denied = !tree.accounting.statmPrecise && files.rollupKiB === null && hasMemory(files);
  if (denied) throw processError('EACCES', tree.root, which, 'smaps_rollup');
  return toReading(files, tree).precise;
}
