import { readFileSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { codeOf, invalidArgType, type PercpuError, systemError } from '../errors.js';
import { native, requireNative } from '../native/native.js';
import { MAX_PID, requireInteger } from '../validate.js';
import { requireCpus } from './cpu-argument.js';
import { parseCpuList } from './cpu-list.js';

/** @returns the error for a negated errno of sched_getaffinity(2) or sched_setaffinity(2). */
function affinityError(negatedErrno: number, syscall: string, tid: number, message?: string): PercpuError {
  const code = getSystemErrorName(negatedErrno);
  const thread = tid === 0 ? 'the calling thread' : `thread ${tid}`;
  const details = { syscall, errno: negatedErrno, ...(tid === 0 ? {} : { pid: tid }) };
  return systemError(code, message ?? (code === 'ESRCH' ? `no ${thread}` : `refused for ${thread}`), details);
}

function readAffinity(tid: number): number[] {
  if (native.addon) {
    const cpus = native.addon.getAffinity(tid);
    if (typeof cpus === 'number') throw affinityError(cpus, 'sched_getaffinity', tid);
    return Array.from(cpus);
  }
  if (process.platform !== 'linux') requireNative('getAffinity()');
  return affinityFromProc(tid);
}

/** Without the addon: `Cpus_allowed_list` of proc_pid_status(5). */
function affinityFromProc(tid: number): number[] {
  const path = tid === 0 ? '/proc/thread-self/status' : `/proc/${tid}/status`;
  let status: string;
  try {
    status = readFileSync(path, 'latin1');
  } catch (error) {
    const code = codeOf(error);
    const missing = tid !== 0 && code === 'ENOENT';
    throw systemError(missing ? 'ESRCH' : code, missing ? `no thread ${tid}` : `cannot read '${path}'`, {
      syscall: 'open',
      path,
      ...(tid === 0 ? {} : { pid: tid }),
    });
  }
  return parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? '');
}

/**
 * The CPUs a thread may run on, in ascending order. Source: sched_getaffinity(2).
 *
 * @param tid a thread's number as the kernel counts it (a pid is the main thread's); default: the calling thread.
 * @throws PercpuError `ESRCH` if there is no such thread; TypeError `ERR_INVALID_ARG_TYPE`, RangeError
 *   `ERR_OUT_OF_RANGE`; PercpuError `ERR_UNSUPPORTED_PLATFORM` away from Linux.
 */
export function getAffinity(tid = 0): number[] {
  return readAffinity(requireInteger(tid, 'tid', { min: 0, max: MAX_PID }));
}

/**
 * Restricts a thread to some CPUs. Threads it makes later inherit the restriction; other threads are not affected.
 * Source: sched_setaffinity(2).
 *
 * @param cpus a CPU number or several.
 * @param tid as for `getAffinity`.
 * @throws PercpuError `EINVAL` that names a CPU which is offline, missing or not in this process's cpuset, and the affinity
 *   stays as it was; `ESRCH`, `EPERM` for a thread of another user, `ERR_NATIVE_UNAVAILABLE`;
 *   TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
 */
export function setAffinity(cpus: number | Iterable<number>, tid = 0): void {
  const wanted = requireCpus(cpus, 'cpus');
  requireInteger(tid, 'tid', { min: 0, max: MAX_PID });
  const addon = requireNative('setAffinity()');
  const before = readAffinity(tid);
  const result = addon.setAffinity(Uint32Array.from(wanted), tid);
  if (result !== 0) {
    const code = getSystemErrorName(result);
    const message = code === 'EINVAL' ? `CPU ${wanted.join(', ')} is offline or not allowed` : undefined;
    throw affinityError(result, 'sched_setaffinity', tid, message);
  }
  // The kernel silently drops CPUs it cannot use, as long as one is left.
  const granted = new Set(readAffinity(tid));
  const refused = wanted.filter((cpu) => !granted.has(cpu));
  if (refused.length === 0) return;
  addon.setAffinity(Uint32Array.from(before), tid);
  const message = `CPU ${refused.join(', ')} is offline or not allowed`;
  throw systemError('EINVAL', message, { syscall: 'sched_setaffinity', ...(tid === 0 ? {} : { pid: tid }) });
}

/**
 * Runs a function with the calling thread restricted to some CPUs, and restores the affinity when it returns or throws. An
 * asynchronous function is restricted only up to its first `await`.
 *
 * @returns what the function returns.
 * @throws as `setAffinity`, before the function is called; what the function throws.
 */
export function withAffinity<T>(cpus: number | Iterable<number>, fn: () => T): T {
  if (typeof fn !== 'function') throw invalidArgType('fn', 'a function', fn);
  const before = getAffinity();
  setAffinity(cpus);
  try {
    return fn();
  } finally {
    setAffinity(before);
  }
}
