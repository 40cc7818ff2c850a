import { native } from '../native/native.js';
import { requireOptions } from '../validate.js';
import { processError } from './files/errors.js';
import { openTree, type ProcTree } from './proc-tree.js';
import { hasMemory, type RssReading, requirePid, toReading, wantedFor } from './reading.js';

/**
 * One process's resident memory: the approximate figure that monitors read, the precise one, its range by the approximate one,
 * and its parts. Reads /proc/PID/statm, status, smaps_rollup (if statm is not precise) and stat, one after the other: if the
 * process grows in between, later files show more. All files belong to the same process, even if its pid is reused.
 *
 * Kernel threads and zombies have no memory: all figures are 0. If only the first thread has ended, /proc/PID looks like a
 * zombie's; the figures are those of the other threads. Another user's smaps_rollup may be denied; `source` is 'statm' then.
 *
 * Sources: proc_pid_stat(5), proc_pid_statm(5), proc_pid_status(5), proc_pid_smaps(5).
 *
 * @param pid a process id from 1 to 2^31 - 1, or 'self'.
 * @param options.root a proc tree to read instead of /proc, such as another machine's. Its pages have this machine's size, its
 *   CPUs are those of its `stat`, and its accounting is inferred from its files if possible.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`; PercpuError `ESRCH` (no such process), `EACCES`,
 *   `EBADMSG` (a file is malformed or not a regular one), with `pid` and `path`; `ENOENT`, `ENOTDIR` if `root` is not a
 *   directory; `ERR_UNSUPPORTED_PLATFORM` on other systems than Linux.
 */
export function readRss(pid: number | 'self' = 'self', options?: { root?: string }): RssReading {
  const which = pid === 'self' ? pid : requirePid(pid);
  const tree = openTree(requireOptions(options, ['root']).root);
  return toReading(tree.reader.readOne(tree.root, which, wantedFor(tree)), tree);
}

function ownResidentBytes(tree: ProcTree): number | undefined {
  const pages = native.addon?.ownResidentPages();
  return pages !== undefined && pages >= 0 ? pages * tree.pageBytes : undefined;
}

/**
 * The precise resident memory of a process, in bytes: what `process.memoryUsage.rss()` should return. With the addon, the
 * calling process costs about one microsecond, from a file that stays open.
 *
 * @throws as {@link readRss}; `EACCES` if the precise figure is denied.
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
