import { invalidArgType, outOfRange } from '../errors.js';
import { requireInteger } from '../validate.js';

/** Highest CPU number this package handles. */
export const MAX_CPU_NUMBER = 2 ** 20 - 1;

const ALLOWED = `a CPU list such as '0-3,8,10-11' with CPU numbers from 0 to ${MAX_CPU_NUMBER}`;

/**
 * Parses the kernel's CPU list format, as in `/sys/devices/system/cpu/online` or `Cpus_allowed_list`: decimal CPU numbers
 * and ranges, separated by commas. White space around items is ignored, and an empty list is allowed. Items may overlap and
 * come in any order.
 *
 * Source: Documentation/admin-guide/kernel-parameters.rst ("cpu lists"), without the `:used/group` suffix and the names
 * `N` and `all`, which the kernel accepts but never prints.
 *
 * @param argument the name of the list in an error.
 * @returns CPU numbers in ascending order, each once.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` if `list` is not a string; RangeError `ERR_OUT_OF_RANGE` if it is not a CPU list,
 *   or has a range that runs backwards or a CPU number above {@link MAX_CPU_NUMBER}.
 */
export function parseCpuList(list: string, argument = 'list'): number[] {
  if (typeof list !== 'string') throw invalidArgType(argument, 'a string', list);
  const text = list.trim();
  if (text === '') return [];
  const ranges = text.split(',').map((item) => {
    const [, first, last = first] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(item) ?? [];
    const range = { first: Number(first), last: Number(last) };
    if (!(range.first <= range.last && range.last <= MAX_CPU_NUMBER)) throw outOfRange(argument, ALLOWED, text);
    return range;
  });
  ranges.sort((a, b) => a.first - b.first);
  const cpus: number[] = [];
  let next = 0;
  for (const { first, last } of ranges) {
    for (next = Math.max(next, first); next <= last; next++) cpus.push(next);
  }
  return cpus;
}

/**
 * Formats CPU numbers as the kernel does: ascending, neighbours joined to ranges; the empty string for no CPUs.
 *
 * @param cpus CPU numbers in any order; repeated ones count once.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
 */
export function formatCpuList(cpus: Iterable<number>): string {
  const ranges: { first: number; last: number }[] = [];
  const ascending = [...new Set(cpus)].map((cpu) => requireInteger(cpu, 'cpu', { min: 0, max: MAX_CPU_NUMBER }));
  for (const cpu of ascending.sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range?.last === cpu - 1) range.last = cpu;
    else ranges.push({ first: cpu, last: cpu });
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}
