import { invalidArgType } from '../errors.js';
import { MAX_PID, requireBoolean, requireInteger } from '../validate.js';
import { errorRange } from './accounting/model.js';
import { TICK_MS } from './boot-time.js';
import { type ProcessFiles, Want } from './files/process-row.js';
import type { Identities, ProcessIdentity } from './identity.js';
import type { ProcTree } from './proc-tree.js';

/** One process's resident memory, by its stat and statm. All figures in bytes. */
export interface RssReading {
  pid: number;
  /** The command name as the kernel has it: any characters, control characters included. */
  name: string;
  /** /proc/PID/stat: what `process.memoryUsage.rss()`, pidusage, pm2 and others report. */
  approximate: number;
  /** The resident set. Approximate as well where `source` is 'statm' and `rssAccounting().statmPrecise` is false. */
  precise: number;
  /** The range `approximate` alone allows: min <= precise <= max. */
  min: number;
  max: number;
  /** Resident anonymous memory, by statm: what processes do not share, but for pages not written to since a fork. */
  anon: number;
  /** The file that `precise` comes from. */
  source: 'statm' | 'smaps_rollup';
}

/** What a process's memory is made of besides, by /proc/PID/status. All figures in bytes. */
export interface RssBreakdown {
  /** Resident file mappings, resident shared memory, memory swapped out, page tables. */
  file: number;
  shmem: number;
  swap: number;
  pageTables: number;
}

/** CPU time that a process's threads have used, those that have ended included. */
export interface ProcessCpu {
  /** Milliseconds in user and in kernel mode, in steps of 10. */
  userMs: number;
  systemMs: number;
}

/** What a reading has. */
export interface ReadingOptions {
  /** {@link RssBreakdown}, default true. The file it comes from costs as much as all others of an active process. */
  breakdown?: boolean;
  /** {@link ProcessIdentity}, default false. */
  identity?: boolean;
  /** {@link ProcessCpu}, default false. */
  cpu?: boolean;
}

export interface ReadOptions extends ReadingOptions {
  /**
   * A proc tree to read instead of /proc, of another machine for instance. Its pages have this machine's size, its CPUs are those
   * of its own `stat`, and what its files mean is told from themselves where possible.
   */
  root?: string;
}

/** The type that an option has in options of this type; `Default` for undefined. */
type Flag<Options, Name extends keyof ReadingOptions, Default> = Options extends unknown
  ? Name extends keyof Options
    ? Options[Name] extends infer Given
      ? Given extends undefined
        ? Default
        : Given
      : never
    : Default
  : never;

/** `Part` where the flag is known to be set, nothing where it is known not to be, else each of its members or nothing. */
type Where<Set, Part> = [Set] extends [true] ? Part : [Set] extends [false] ? unknown : Partial<Part>;

/** What readings made with options of this type have. */
export type ReadingWith<Options> = RssReading &
  Where<Flag<Options, 'breakdown', true>, RssBreakdown> &
  Where<Flag<Options, 'identity', false>, ProcessIdentity> &
  Where<Flag<Options, 'cpu', false>, ProcessCpu>;

/** A reading as it is by default. */
export type DetailedReading = RssReading & RssBreakdown;

/** @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`. */
export function requirePid(pid: unknown, argument = 'pid'): number {
  if (typeof pid !== 'number') throw invalidArgType(argument, "a number or 'self'", pid);
  return requireInteger(pid, argument, { min: 1, max: MAX_PID });
}

/** The parts of a reading, each chosen. */
export type Parts = Required<ReadingOptions>;

/** The names of all options that choose parts. */
export const PART_NAMES = ['breakdown', 'identity', 'cpu'] as const;

export const DEFAULT_PARTS: Parts = { breakdown: true, identity: false, cpu: false };

/** @throws TypeError `ERR_INVALID_ARG_TYPE` for an option that is no boolean. */
export function requireParts(options: Partial<Record<keyof Parts, unknown>>): Parts {
  const parts = { ...DEFAULT_PARTS };
  for (const name of PART_NAMES) {
    parts[name] = requireBoolean(options[name] ?? parts[name], `options.${name}`);
  }
  return parts;
}

/** Which files a reading needs besides stat and statm. */
export function wantedFor({ accounting }: ProcTree, { breakdown, cpu }: Parts): number {
  return (accounting.statmPrecise ? 0 : Want.ROLLUP) | (breakdown ? Want.STATUS : 0) | (cpu ? Want.CPU : 0);
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

/** @returns the reading that stat and statm make, and smaps_rollup where it was read. */
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
    anon: Math.max(0, files.residentPages - files.sharedPages) * pageBytes,
    source: fromRollup ? 'smaps_rollup' : 'statm',
  };
}

// Parts are added property by property: spreading objects into one another takes most of the time of a scan.

/** @param files read with `Want.STATUS`. */
export function toDetailedReading(files: ProcessFiles, tree: ProcTree): DetailedReading {
  const reading = toReading(files, tree) as DetailedReading;
  reading.file = files.fileKiB * 1024;
  reading.shmem = files.shmemKiB * 1024;
  reading.swap = files.swapKiB * 1024;
  reading.pageTables = files.pageTableKiB * 1024;
  return reading;
}

function addCpu(reading: RssReading & Partial<ProcessCpu>, files: ProcessFiles): void {
  reading.userMs = files.userTicks * TICK_MS;
  reading.systemMs = files.systemTicks * TICK_MS;
}

function addIdentity(reading: RssReading & Partial<ProcessIdentity>, identity: ProcessIdentity): void {
  reading.ppid = identity.ppid;
  reading.startedAt = identity.startedAt;
  reading.uid = identity.uid;
  reading.user = identity.user;
  reading.threads = identity.threads;
  reading.command = identity.command;
  reading.cgroup = identity.cgroup;
  reading.service = identity.service;
}

/** @returns the reading with the parts chosen; undefined where the process has ended before its identity was read. */
export function readingWith(
  files: ProcessFiles,
  tree: ProcTree,
  parts: Parts,
  identities: Identities | undefined,
): RssReading | undefined {
  const reading = parts.breakdown ? toDetailedReading(files, tree) : toReading(files, tree);
  if (parts.cpu) addCpu(reading, files);
  if (!identities) return reading;
  const identity = identities.of(files);
  if (!identity) return undefined;
  addIdentity(reading, identity);
  return reading;
}
