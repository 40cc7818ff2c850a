import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { invalidArgType, PercpuError, systemError } from '../errors.js';
import { pageBytes } from '../page-bytes.js';
import { requireOptions } from '../validate.js';
import { type ProcStat, type ProcStatm, parseStat, parseStatm } from './proc-files.js';

/** One process's resident set, read twice. All figures in bytes. */
export interface RssDrift {
  pid: number;
  /** The command name as the kernel has it: control characters included. */
  name: string;
  /** /proc/PID/stat field 24: what `process.memoryUsage.rss()`, pidusage and others report. */
  statBytes: number;
  /** /proc/PID/statm field 2. */
  statmBytes: number;
  /** `statBytes - statmBytes`: negative where stat shows less than there is. */
  errorBytes: number;
}

function listPids(root: string | undefined): string[] {
  const path = root ?? '/proc';
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (error) {
    if (root === undefined) throw noProc();
    const { code = 'EIO', syscall = 'scandir', errno } = error as NodeJS.ErrnoException;
    throw systemError(code, `cannot read '${path}'`, { syscall, path, ...(errno !== undefined && { errno }) });
  }
  const pids = names.filter((name) => /^\d+$/.test(name));
  if (root === undefined && pids.length === 0) throw noProc();
  return pids.sort((a, b) => Number(a) - Number(b));
}

function noProc(): PercpuError {
  return new PercpuError('ERR_UNSUPPORTED_PLATFORM', 'Reading processes needs a Linux /proc, which is not there');
}

/** Both files, one right after the other; undefined when the process has ended or is not ours to look at. */
function readBoth(directory: string): { stat: ProcStat; statm: ProcStatm } | undefined {
  try {
    const statText = readFileSync(join(directory, 'stat'), 'utf8');
    const statmText = readFileSync(join(directory, 'statm'), 'utf8');
    const stat = parseStat(statText);
    const statm = parseStatm(statmText);
    return stat && statm && { stat, statm };
  } catch {
    return undefined;
  }
}

/**
 * Holds the two RSS figures the kernel offers for every user process against each other. Reads two files per process
 * (some 40 us each process), synchronously.
 *
 * On kernels that count RSS per CPU (6.2 and later) `stat` is approximate. `statm` is precise only from the fix of 2025
 * on (commit 82241a83cd15, and its backports): before it both show the same wrong number, and no error here means
 * nothing. Processes keep running between the two reads, so a small error may also be memory they took or gave back.
 *
 * Sources: proc_pid_stat(5), proc_pid_statm(5).
 *
 * @param options.root a proc tree to read instead of `/proc`; its pages have the size of this machine's.
 * @returns one entry per process, by ascending pid; none for kernel threads, zombies, processes without memory, those
 *   that end meanwhile, and those whose files cannot be read.
 * @throws PercpuError `ERR_UNSUPPORTED_PLATFORM` without a Linux `/proc`; with `root` the system's own code (`ENOENT`,
 *   `ENOTDIR`, …) when that cannot be listed. TypeError `ERR_INVALID_ARG_TYPE`.
 */
export function rssDrift(options?: { root?: string }): RssDrift[] {
  const { root } = requireOptions(options);
  if (root !== undefined && typeof root !== 'string') throw invalidArgType('options.root', 'a string', root);
  if (root === undefined && process.platform !== 'linux') throw noProc();
  const bytes = pageBytes();
  const drifts: RssDrift[] = [];
  for (const pid of listPids(root)) {
    const read = readBoth(join(root ?? '/proc', pid));
    if (!read) continue;
    const { stat, statm } = read;
    const hasMemory = stat.rssPages > 0 || statm.residentPages > 0;
    if (stat.kernelThread || /^[ZX]$/i.test(stat.state) || !hasMemory) continue;
    const statBytes = stat.rssPages * bytes;
    const statmBytes = statm.residentPages * bytes;
    drifts.push({ pid: stat.pid, name: stat.name, statBytes, statmBytes, errorBytes: statBytes - statmBytes });
  }
  return drifts;
}
