/** What this package needs of /proc/PID/stat. Source: proc_pid_stat(5). */
export interface ProcStat {
  pid: number;
  /** The command name (`comm`): any characters, parentheses and newlines included. */
  name: string;
  /** One letter, such as `R`, `S` or `Z`. */
  state: string;
  /** The kernel's own thread (PF_KTHREAD): it has no memory. */
  kernelThread: boolean;
  /** When it started, in clock ticks after boot; with `pid` it names a process for good. */
  startTicks: number;
  /** Resident set in pages, as the kernel's fast and approximate read has it. */
  rssPages: number;
}

/** /proc/PID/statm, in pages. Source: proc_pid_statm(5). */
export interface ProcStatm {
  /** Virtual size. */
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
const START_TIME = 22 - FIRST_FIELD;
const RSS = 24 - FIRST_FIELD;

function parseCount(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const count = Number(text);
  return Number.isSafeInteger(count) ? count : undefined;
}

/**
 * @param text the content of /proc/PID/stat.
 * @returns undefined when it is cut off before the end of field 24, or no such file at all.
 */
export function parseStat(text: string): ProcStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 1 || close < open || text[close + 1] !== ' ') return undefined;
  const fields = text.slice(close + 2).split(' ');
  // A number is known to be whole by the field that follows it.
  if (fields.length <= RSS + 1) return undefined;
  const pid = parseCount(text.slice(0, open).trimEnd());
  const [state = ''] = fields;
  const flags = parseCount(fields[FLAGS]);
  const startTicks = parseCount(fields[START_TIME]);
  const rssPages = parseCount(fields[RSS]);
  if (pid === undefined || flags === undefined || startTicks === undefined || rssPages === undefined) return undefined;
  if (!/^[A-Za-z]$/.test(state)) return undefined;
  const kernelThread = (flags & PF_KTHREAD) !== 0;
  return { pid, name: text.slice(open + 1, close), state, kernelThread, startTicks, rssPages };
}

/**
 * @param text the content of /proc/PID/statm.
 * @returns undefined when it is cut off, or no such file at all.
 */
export function parseStatm(text: string): ProcStatm | undefined {
  const fields = text.trimEnd().split(' ');
  if (fields.length < 7) return undefined;
  const [sizePages, residentPages, sharedPages] = fields.map(parseCount);
  if (sizePages === undefined || residentPages === undefined || sharedPages === undefined) return undefined;
  return { sizePages, residentPages, sharedPages };
}
