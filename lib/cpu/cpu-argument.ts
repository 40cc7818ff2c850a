import { invalidArgType, outOfRange } from '../errors.js';
import { requireInteger } from '../validate.js';
import { MAX_CPU_NUMBER } from './cpu-list.js';

/**
 * @returns the CPU numbers of an argument, in its order, each once.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` (also for an empty list).
 */
export function requireCpus(value: unknown, argument: string): number[] {
  const cpu = (entry: unknown, name: string) => requireInteger(entry, name, { min: 0, max: MAX_CPU_NUMBER });
  if (typeof value === 'number') return [cpu(value, argument)];
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) {
    throw invalidArgType(argument, 'a CPU number or an iterable of CPU numbers', value);
  }
  const cpus = new Set<number>();
  let index = 0;
  for (const entry of value as Iterable<unknown>) {
    cpus.add(cpu(entry, `${argument}[${index++}]`));
    if (index > MAX_CPU_NUMBER + 1) throw outOfRange(argument, `at most ${MAX_CPU_NUMBER + 1} CPU numbers`, value);
  }
  if (cpus.size === 0) throw outOfRange(argument, 'at least one CPU number', 'none');
  return [...cpus];
}
