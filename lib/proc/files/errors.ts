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

/** By number. Libuv lacks some names. */
const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno, name]));

export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

export function noProcError(): PercpuError {
  const where = process.platform === 'linux' ? 'which is missing' : `and this is ${process.platform}`;
  return new PercpuError(
    'ERR_UNSUPPORTED_PLATFORM',
    `Reading processes needs the /proc of Linux, ${where}; counters, mm and OOM selection work without`,
  );
}

/**
 * @returns the error for a file of a process: `ESRCH` if there is no such process, `EBADMSG` for content that the man page does
 *   not describe, else the system's code. A /proc without the calling process is not the kernel's.
 */
export function processError(code: string, root: string, pid: number | 'self', file: ProcessFile): PercpuError {
  const path = `${root}/${pid}/${file}`;
  const details = { syscall: 'read', path, ...(pid !== 'self' && { pid }) };
  const isMissing = code === 'ESRCH' || code === 'ENOENT';
  if (isMissing && pid === 'self' && root === '/proc') return noProcError();
  if (isMissing) return systemError('ESRCH', `no process ${pid}`, details);
  if (code === 'EBADMSG') return systemError(code, `'${path}' is not as ${DESCRIBED_IN[file]} describes it`, details);
  return systemError(code, `cannot read '${path}'`, details);
}

/** @returns the error for the directory of a proc tree; a missing /proc means that the platform has none. */
export function rootError(code: string, root: string): PercpuError {
  if (root === '/proc' && (code === 'ENOENT' || code === 'ENOTDIR')) return noProcError();
  return systemError(code, `cannot read '${root}'`, { syscall: 'scandir', path: root });
}
