import { invalidArgType } from '../errors.js';
import { MAX_PID, requireInteger } from '../validate.js';
import { errorRange } from './accounting/model.js';
import { type ProcessFiles, Want } from './files/process-row.js';
import type { ProcTree } from './proc-tree.js';

/** One process's resident memory. All figures in bytes. */
export interface RssReading {
  pid: number;
  /** The command name as the kernel has it: any characters, control characters included. */
  name: string;
  /** /proc/PID/stat: what `process.memoryUsage.rss()`, pidusage, pm2 and others report. */
  approximate: number;
  /** The true resident memory. Approximate if `source` is 'statm' and `rssAccounting().statmPrecise` is false. */
  precise: number;
  /** The range of the precise figure, by `approximate` alone; both ends included. */
  min: number;
  max: number;
  /** Resident anonymous memory, file mappings and shared memory; swapped memory; page tables. */
  anon: number;
  file: number;
  shmem: number;
  swap: number;
  pageTables: number;
  /** The file of `precise`. */
  source: 'statm' | 'smaps_rollup';
}

/** @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`. */
export function requirePid(pid: unknown, argument = 'pid'): number {
  if (typeof pid !== 'number') throw invalidArgType(argument, "a number or 'self'", pid);
  return requireInteger(pid, argument, { min: 1, max: MAX_PID });
}

/** Files that a reading needs in addition to stat, statm and status. */
export function wantedFor({ accounting }: ProcTree): number {
  return accounting.statmPrecise ? 0 : Want.ROLLUP;
}

/** Kernel threads and zombies have no memory, so their figures are exact. */
export function hasMemory(files: ProcessFiles): boolean {
  return !files.kernelThread && !(/^[ZX]$/i.test(files.state) && files.residentPages === 0 && files.statRssPages === 0);
}

/** @returns the range of the precise RSS by the approximate one, in pages. */
export function boundsPages(files: ProcessFiles, { accounting, cpus }: ProcTree): { min: number; max: number } {
  if (!hasMemory(files)) return { min: 0, max: 0 };
  const { under, over } = errorRange(accounting, cpus, files.threads);
  return { min: Math.max(0, files.statRssPages - over), max: files.statRssPages + under };
}

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
