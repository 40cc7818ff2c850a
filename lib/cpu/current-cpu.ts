import { readFileSync } from 'node:fs';
import { native } from '../native/native.js';

/** Field 39 of /proc/PID/stat (proc_pid_stat(5)) counted from the state, which follows the last parenthesis. */
const PROCESSOR_AFTER_NAME = 39 - 3;

/**
 * The CPU the calling thread runs on. It may be outdated as soon as this returns.
 *
 * @returns a CPU number, or -1 if the platform cannot tell. Source: sched_getcpu(3); without the addon,
 *   /proc/thread-self/stat.
 */
export function currentCpu(): number {
  if (native.addon) return native.addon.currentCpu();
  try {
    const stat = readFileSync('/proc/thread-self/stat', 'latin1');
    const cpu = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[PROCESSOR_AFTER_NAME]);
    return Number.isInteger(cpu) && cpu >= 0 ? cpu : -1;
  } catch {
    return -1;
  }
}
