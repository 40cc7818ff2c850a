import { readdirSync } from 'node:fs';
import { codeOf } from '../../errors.js';
import { rootError } from './errors.js';

/**
 * @returns the process ids of a proc tree, ascending.
 * @throws PercpuError `ERR_UNSUPPORTED_PLATFORM` without a /proc; the system's code (`ENOENT`, `ENOTDIR`, …) for another root.
 */
export function listPids(root: string): number[] {
  let names: string[];
  try {
    names = readdirSync(root);
  } catch (error) {
    throw rootError(codeOf(error), root);
  }
  return names
    .filter((name) => /^[1-9]\d{0,9}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}
