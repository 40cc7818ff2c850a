import { readdirSync } from 'node:fs';
import { codeOf } from '../../errors.js';
import { rootError } from './errors.js';

/**
 * @returns the processes of a proc tree, ascending.
 * @throws PercpuError `ERR_UNSUPPORTED_PLATFORM` where there is no /proc; the system's own (`ENOENT`, `ENOTDIR`, …) for
 *   another root.
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
