import { constants } from 'node:os';
import { PercpuError, systemError } from '../../errors.js';
import type { ProcessFile } from './process-row.js';

const DESCRIBED_IN: Record<ProcessFile, string> = {
  stat: 'proc_pid_stat(5)',
  statm: 'proc_pid_statm(5)',
  status: 'proc_pid_status(5)',
  smaps_rollup: 'proc_pid_smaps(5)',
  oom_score_adj: 'proc_pid_oom_score_adj(5)',
  oom_score: 'proc_pid_oom_score(5)',
};

/** By number. Not libuv's names, which leave some out. */
const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno, name]));

/** @returns the name of an errno, such as `ENOENT` for 2. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

export function noProcError(): PercpuError {
  const where = process.platform === 'linux' ? 'which is not there' : `and this is ${process.platform}`;
  return new PercpuError(
    'ERR_UNSUPPORTED_PLATFORM',
    `Reading processes needs the /proc of Linux, ${where}; counters, mm and OOM selection work without`,
  );
}

/**
 * @returns what went wrong with one file of a process: `ESRCH` where the process is not there, `EBADMSG` for a content
 *   that the man page does not describe, else the system's own. A /proc without the calling process is none.
 */
export function processError(code: string, root: string, pid: number | 'self', file: ProcessFile): PercpuError {
  const path = `${root}/${pid}/${file}`;
  const details = { syscall: 'read', path, ...(pid !== 'self' && { pid }) };
  const isMissing = code === 'ESRCH' || code === 'ENOENT';
  if (isMissing && pid === 'self' && root === '/proc') return noProcError();
  if (isMissing) return systemError('ESRCH', `no process ${pid}`, details);
  if (code === 'EBADMSG') return systemError(code, `'${path}' is not what ${DESCRIBED_IN[file]} says`, details);
  return systemError(code, `cannot read '${path}'`, details);
}

/** @returns what went wrong with the directory of a proc tree: where that is /proc and not there, that the platform has none. */
export function rootError(code: string, root: string): PercpuError {
  if (root === '/proc' && (code === 'ENOENT' || code === 'ENOTDIR')) return noProcError();
  return systemError(code, `cannot read '${root}'`, { syscall: 'scandir', path: root });
}
