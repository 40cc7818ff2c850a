/**
 * What the files of one process say, in the kernel's own units. Both readers give it: the addon's and the one in
 * TypeScript. Nothing is converted here.
 */
export interface ProcessFiles {
  pid: number;
  /** The command name (`comm`): any characters, parentheses and newlines included; bytes that are no UTF-8 are U+FFFD. */
  name: string;
  /** One letter, such as `R`, `S` or `Z`. */
  state: string;
  /** The kernel's own thread (PF_KTHREAD): it has no memory. */
  kernelThread: boolean;
  threads: number;
  /** When it started, in clock ticks after boot; with `pid` it names a process for good. */
  startTicks: number;
  /** CPU time in clock ticks, of threads that have ended too; 0 where it was not asked for. */
  userTicks: number;
  systemTicks: number;
  /** /proc/PID/stat field 24: the resident set in pages, as the kernel's fast read has it. */
  statRssPages: number;
  /** /proc/PID/statm field 2: the resident set in pages. */
  residentPages: number;
  /** Field 3: file mappings and shared memory of those. */
  sharedPages: number;
  /** `RssFile`, `RssShmem`, `VmSwap` and `VmPTE` of /proc/PID/status; 0 where there is no such line or it was not asked for. */
  fileKiB: number;
  shmemKiB: number;
  swapKiB: number;
  pageTableKiB: number;
  /** `Rss` of /proc/PID/smaps_rollup, the sum over the page tables; null where it was not asked for or is not to be had. */
  rollupKiB: number | null;
  /** /proc/PID/oom_score_adj and oom_score; 0 where they were not asked for. */
  oomScoreAdj: number;
  oomScore: number;
}

/**
 * The figures of a row of the addon, in their order; each is a double. `PERCPU_PROCESS_ROW_FIELDS` of
 * native/proc/process_row.h is the same list in C++.
 */
export const ROW_FIELDS = [
  'pid',
  'state',
  'kernelThread',
  'threads',
  'startTicks',
  'userTicks',
  'systemTicks',
  'statRssPages',
  'residentPages',
  'sharedPages',
  'fileKiB',
  'shmemKiB',
  'swapKiB',
  'pageTableKiB',
  'rollupKiB',
  'oomScoreAdj',
  'oomScore',
  'nameBytes',
] as const satisfies readonly (Exclude<keyof ProcessFiles, 'name'> | 'nameBytes')[];

/** Bytes of the name, which follows the figures. */
export const ROW_NAME_BYTES = 64;

/** What is read besides stat's and statm's figures: a set of bits. */
export const Want = {
  /** smaps_rollup: the precise sum over all page tables, the most expensive read. */
  ROLLUP: 1,
  /** oom_score_adj and oom_score. */
  OOM: 2,
  /** status, which costs as much as all else of an active process. */
  STATUS: 4,
  /** CPU time. */
  CPU: 8,
} as const;

/** The files of a process; the first three are the ones that can stay open. */
export const FILES = ['stat', 'statm', 'status', 'smaps_rollup', 'oom_score_adj', 'oom_score'] as const;

export type ProcessFile = (typeof FILES)[number];
