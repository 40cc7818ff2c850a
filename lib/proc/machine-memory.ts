import { totalmem } from 'node:os';
import { readTreeFile } from '../regular-file.js';

/** What the machine behind a proc tree can hold, in bytes. */
export interface MachineMemory {
  ramBytes: number;
  swapBytes: number;
  /** What is left of it. */
  swapFreeBytes: number;
  /** Whether the kernel swaps anonymous memory at all; proc_sys_vm(5). */
  swappiness: number;
}

const USUAL_SWAPPINESS = 60;

/** @returns the bytes of a line of a tree's `meminfo`; undefined where there is none. Source: proc_meminfo(5). */
export function readMeminfo(root: string): (name: string) => number | undefined {
  const meminfo = readTreeFile(`${root}/meminfo`) ?? '';
  return (name) => {
    const [, kib] = new RegExp(`^${name}:\\s+(\\d{1,12}) kB$`, 'm').exec(meminfo) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  };
}

/**
 * @param root a proc tree. Where it has no `meminfo`, as a captured one may, RAM is this machine's.
 * @throws PercpuError `EBADMSG` where something else than a regular file is in a file's place.
 * Source: proc_meminfo(5).
 */
export function machineMemory(root: string): MachineMemory {
  const bytes = readMeminfo(root);
  const swappiness = readTreeFile(`${root}/sys/vm/swappiness`)?.trim() ?? '';
  return {
    ramBytes: bytes('MemTotal') ?? totalmem(),
    swapBytes: bytes('SwapTotal') ?? 0,
    swapFreeBytes: bytes('SwapFree') ?? 0,
    swappiness: /^\d{1,3}$/.test(swappiness) ? Number(swappiness) : USUAL_SWAPPINESS,
  };
}
