/** Fields of /proc/PID/stat. Source: proc_pid_stat(5). */
interface ProcStat {
  pid: number;
  /** The command name (`comm`): any characters, parentheses and newlines included. */
  name: string;
  state: string;
  /** A kernel thread (PF_KTHREAD) has no memory. */
  kernelThread: boolean;
  /** CPU time in clock ticks, of threads that have ended too. */
  userTicks: number;
  systemTicks: number;
  threads: number;
  /** Start time in clock ticks after boot; together with `pid` it identifies a process. */
  startTicks: number;
  /** Resident set in pages, from the kernel's fast, approximate read. */
  rssPages: number;
}

/** /proc/PID/statm, in pages. Source: proc_pid_statm(5). */
interface ProcStatm {
  sizePages: number;
  /** Resident set, `sharedPages` included. */
  residentPages: number;
  /** Resident file mappings and shared memory. */
  sharedPages: number;
}

const PF_KTHREAD = 0x0020_0000;

/** The fields after the name begin with field 3, the state. */
const FIRST_FIELD = 3;
const FLAGS = 9 - FIRST_FIELD;
const UTIME = 14 - FIRST_FIELD;
const STIME = 15 - FIRST_FIELD;
const NUM_THREADS = 20 - FIRST_FIELD;
const START_TIME = 22 - FIRST_FIELD;
const RSS = 24 - FIRST_FIELD;

/** Seven fields make the file whole. */
const STATM = /^(\d+) (\d+) (\d+) [^ ]* [^ ]* [^ ]* \d/;

function parseCount(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const count = Number(text);
  return Number.isSafeInteger(count) ? count : undefined;
}

/**
 * @param text the content of /proc/PID/stat.
 * @returns undefined if it is cut off before the end of field 24, or has another format.
 */
export function parseStat(text: string): ProcStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 1 || close < open || text[close + 1] !== ' ') return undefined;
  const fields = text.slice(close + 2).split(' ');
  // The field after a number shows that the number is complete.
  if (fields.length <= RSS + 1) return undefined;
  const pid = parseCount(/^(\d+) *$/.exec(text.slice(0, open))?.[1]);
  const [state = ''] = fields;
  const flags = parseCount(fields[FLAGS]);
  const userTicks = parseCount(fields[UTIME]);
  const systemTicks = parseCount(fields[STIME]);
  const threads = parseCount(fields[NUM_THREADS]);
  const startTicks = parseCount(fields[START_TIME]);
  const rssPages = parseCount(fields[RSS]);
  if (pid === undefined || flags === undefined || threads === undefined) return undefined;
  if (userTicks === undefined || systemTicks === undefined) return undefined;
  if (startTicks === undefined || rssPages === undefined) return undefined;
  if (!/^[A-Za-z]$/.test(state)) return undefined;
  const kernelThread = (flags & PF_KTHREAD) !== 0;
  const name = text.slice(open + 1, close);
  return { pid, name, state, kernelThread, userTicks, systemTicks, threads, startTicks, rssPages };
}

/** @returns the parent's pid by /proc/PID/stat; undefined for another text. */
export function parseParent(text: string): number | undefined {
  return parseCount(/^ [A-Za-z] (\d+) /.exec(text.slice(text.lastIndexOf(')') + 1))?.[1]);
}

/**
 * @param text the content of /proc/PID/statm.
 * @returns undefined if it is cut off, or has another format.
 */
export function parseStatm(text: string): ProcStatm | undefined {
  const fields = STATM.exec(text)?.slice(1) ?? [];
  const [sizePages, residentPages, sharedPages] = fields.map(parseCount);
  if (sizePages === undefined || residentPages === undefined || sharedPages === undefined) return undefined;
  return { sizePages, residentPages, sharedPages };
}

/** Fields of /proc/PID/status, in KiB; 0 for a missing line, as in zombies and kernel threads. */
export interface ProcStatus {
  fileKiB: number;
  shmemKiB: number;
  swapKiB: number;
  pageTableKiB: number;
}

/** The figure of a `Name:  123 kB` line: 0 without such a line, undefined if it is cut off or has another format. */
function parseKiBLine(text: string, name: string): number | undefined {
  const at = text.startsWith(`${name}:`) ? 0 : text.indexOf(`\n${name}:`) + 1;
  if (at === 0 && !text.startsWith(`${name}:`)) return 0;
  const line = /^[ \t]*(\d+) kB\n/.exec(text.slice(at + name.length + 1, at + name.length + 64));
  return parseCount(line?.[1]);
}

/**
 * @param text the content of /proc/PID/status; proc_pid_status(5).
 * @returns undefined if one of the lines is cut off or has no figure.
 */
export function parseStatus(text: string): ProcStatus | undefined {
  const fileKiB = parseKiBLine(text, 'RssFile');
  const shmemKiB = parseKiBLine(text, 'RssShmem');
  const swapKiB = parseKiBLine(text, 'VmSwap');
  const pageTableKiB = parseKiBLine(text, 'VmPTE');
  if (fileKiB === undefined || shmemKiB === undefined) return undefined;
  if (swapKiB === undefined || pageTableKiB === undefined) return undefined;
  return { fileKiB, shmemKiB, swapKiB, pageTableKiB };
}

/** @returns the real user id by /proc/PID/status; undefined for another text. */
export function parseUid(text: string): number | undefined {
  return parseCount(/^Uid:\t(\d+)\t/m.exec(text)?.[1]);
}

/**
 * @param text the beginning of /proc/PID/smaps_rollup; proc_pid_smaps(5).
 * @returns the resident set in KiB, summed up over the page tables; undefined where the line is not there or cut off.
 */
export function parseRollup(text: string): number | undefined {
  return text.includes('\nRss:') || text.startsWith('Rss:') ? parseKiBLine(text, 'Rss') : undefined;
}

/** @returns the integer of a file such as /proc/PID/oom_score_adj; undefined for any other content. */
export function parseInteger(text: string): number | undefined {
  const line = text.endsWith('\n') ? text.slice(0, -1) : text;
  // Adding 0 turns -0 into 0.
  return /^-?\d{1,15}$/.test(line) ? Number(line) + 0 : undefined;
}
