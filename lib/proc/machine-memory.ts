import { totalmem } from 'node:os';
import { readTreeFile } from '../regular-file.js';

export interface MachineMemory {
  ramBytes: number;
  swapBytes: number;
  swapFreeBytes: number;
  /** 0: the kernel does not swap anonymous memory; proc_sys_vm(5). */
  swappiness: number;
}

const USUAL_SWAPPINESS = 60;

/** @returns a function that gives the bytes of a line of `meminfo`, if present. Source: proc_meminfo(5). */
export function readMeminfo(root: string): (name: string) => number | undefined {
  const meminfo = readTreeFile(`${root}/meminfo`) ?? '';
  return (name) => {
    const [, kib] = new RegExp(`^${name}:\\s+(\\d{1,12}) kB$`, 'm').exec(meminfo) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  };
}

/**
 * @param root a proc tree. If it has no `meminfo`, RAM is this machine's.
 * @throws PercpuError `EBADMSG` if a file is not a regular one.
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
