import { native } from '../native/native.js';
import { requireOptions } from '../validate.js';
import { processError } from './files/errors.js';
import { Identities } from './identity.js';
import { openTree, type ProcTree } from './proc-tree.js';
import {
  DEFAULT_PARTS,
  hasMemory,
  PART_NAMES,
  type ReadingWith,
  type ReadOptions,
  readingWith,
  requireParts,
  requirePid,
  toReading,
  wantedFor,
} from './reading.js';

/**
 * One process's resident memory by every account: what monitors read, the precise figure, the range that the first allows, and
 * what it is made of. Reads /proc/PID/statm, then status where a breakdown is wanted and smaps_rollup where statm is not precise,
 * and stat last: a process that grows in between shows more in the later ones. All of them are the same process's, though its pid
 * may have been another's before and be another's after.
 *
 * Kernel threads and zombies have no memory: all figures are 0. If only the first thread has ended, /proc/PID looks like a
 * zombie's; the figures are those of the other threads. Another user's smaps_rollup may be denied; `source` is 'statm' then.
 *
 * Sources: proc_pid_stat(5), proc_pid_statm(5), proc_pid_status(5), proc_pid_smaps(5).
 *
 * @param pid a process id from 1 to 2^31 - 1, or 'self'.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`; PercpuError `ESRCH` (no such process), `EACCES`,
 *   `EBADMSG` (a file is malformed or not a regular one), with `pid` and `path`; `ENOENT`, `ENOTDIR` if `root` is not a
 *   directory; `ERR_UNSUPPORTED_PLATFORM` on other systems than Linux.
 */
export function readRss<const Options extends ReadOptions = Record<never, never>>(
  pid: number | 'self' = 'self',
  options?: Options,
): ReadingWith<Options> {
  const which = pid === 'self' ? pid : requirePid(pid);
  const { root, ...parts } = requireOptions<ReadOptions>(options, ['root', ...PART_NAMES]);
  const wanted = requireParts(parts);
  const tree = openTree(root);
  const files = tree.reader.readOne(tree.root, which, wantedFor(tree, wanted));
  const reading = readingWith(files, tree, wanted, wanted.identity ? new Identities(tree) : undefined);
  if (!reading) throw processError('ESRCH', tree.root, which, 'stat');
  return reading as ReadingWith<Options>;
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
  const files = tree.reader.readOne(tree.root, which, wantedFor(tree, { ...DEFAULT_PARTS, breakdown: false }));
  const denied = !tree.accounting.statmPrecise && files.rollupKiB === null && hasMemory(files);
  if (denied) throw processError('EACCES', tree.root, which, 'smaps_rollup');
  return toReading(files, tree).precise;
}
