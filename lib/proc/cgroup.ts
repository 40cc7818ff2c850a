import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { systemError } from '../errors.js';
import type { MachineMemory } from './machine-memory.js';

/** A control group with memory accounting, as its directory says. Bytes; null: no limit of its own. */
export interface MemoryCgroup {
  path: string;
  version: 1 | 2;
  limitBytes: number | null;
  /** What may be swapped out besides, by version 2's memory.swap.max or what version 1's memsw limit leaves. */
  swapLimitBytes: number | null;
  /** Whether the group swaps at all; version 1 has it per group. */
  swappiness: number | null;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO';
}

function failed(code: string, path: string, message = `cannot read '${path}'`): Error {
  return systemError(code, message, { syscall: 'open', path });
}

/** The text of one file of the group; undefined where the group has no such file. */
function readKnob(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw failed(codeOf(error), path);
  }
}

/** Version 1 writes "no limit" as the largest number of whole pages its counters hold. */
const NO_LIMIT_BYTES = 2 ** 62;

/** @returns bytes, null for no limit, undefined where there is no such file. */
function readLimit(directory: string, name: string): number | null | undefined {
  const path = join(directory, name);
  const text = readKnob(path);
  if (text === undefined) return undefined;
  if (text === 'max') return null;
  if (!/^\d{1,20}$/.test(text)) throw failed('EBADMSG', path, `'${path}' holds no limit`);
  const bytes = Number(text);
  return bytes >= NO_LIMIT_BYTES ? null : bytes;
}

function readVersion1(path: string, limitBytes: number | null): MemoryCgroup {
  const both = readLimit(path, 'memory.memsw.limit_in_bytes');
  const swapLimitBytes = both == null || limitBytes === null ? null : Math.max(0, both - limitBytes);
  const swappiness = readKnob(join(path, 'memory.swappiness'));
  return {
    path,
    version: 1,
    limitBytes,
    swapLimitBytes,
    swappiness: swappiness !== undefined && /^\d{1,3}$/.test(swappiness) ? Number(swappiness) : null,
  };
}

/**
 * Reads a memory control group of version 1 or 2.
 *
 * Sources: Documentation/admin-guide/cgroup-v1/memory.rst; Documentation/admin-guide/cgroup-v2.rst.
 *
 * @param directory for instance /sys/fs/cgroup/memory/web (1) or /sys/fs/cgroup/web (2).
 * @throws PercpuError `ENOENT`, `ENOTDIR`; `EINVAL` for a directory that is no memory control group, `EBADMSG` for a limit
 *   that is none; with `path`.
 */
export function readCgroup(directory: string): MemoryCgroup {
  const path = resolve(directory);
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (error) {
    throw failed(codeOf(error), path);
  }
  if (!isDirectory) throw failed('ENOTDIR', path);
  const version1 = readLimit(path, 'memory.limit_in_bytes');
  if (version1 !== undefined) return readVersion1(path, version1);
  const version2 = readLimit(path, 'memory.max');
  if (version2 !== undefined) {
    const swapLimitBytes = readLimit(path, 'memory.swap.max') ?? null;
    return { path, version: 2, limitBytes: version2, swapLimitBytes, swappiness: null };
  }
  // The root of version 2 has controllers and no limits, nor a type.
  const controllers = readKnob(join(path, 'cgroup.controllers'));
  if (controllers?.split(' ').includes('memory') && readKnob(join(path, 'cgroup.type')) === undefined) {
    return { path, version: 2, limitBytes: null, swapLimitBytes: null, swappiness: null };
  }
  const looked = 'memory.limit_in_bytes (version 1) nor memory.max (version 2)';
  throw failed('EINVAL', path, `'${path}' is no memory control group: it has neither ${looked}`);
}

/**
 * @returns the memory that the processes of a group share out when it runs full, in pages, from 1: its limit and what it
 *   may swap, at most all swap there is; all of RAM and swap where it has no limit. Source: mem_cgroup_get_max() of
 *   mm/memcontrol.c.
 */
export function cgroupTotalPages(group: MemoryCgroup, machine: MachineMemory, pageBytes: number): number {
  const pages = (bytes: number) => Math.floor(bytes / pageBytes);
  if (group.limitBytes === null) return Math.max(1, pages(machine.ramBytes) + pages(machine.swapBytes));
  const maySwap = (group.swappiness ?? machine.swappiness) > 0;
  const swapBytes = maySwap ? Math.min(group.swapLimitBytes ?? machine.swapBytes, machine.swapBytes) : 0;
  return Math.max(1, pages(group.limitBytes) + pages(swapBytes));
}

/**
 * @returns the processes of a group and of all groups below it, ascending; groups that go away meanwhile are left out.
 * @throws PercpuError with the system's code and `path` when the group's own list cannot be read.
 */
export function cgroupPids(path: string): number[] {
  const pids = new Set<number>();
  const collect = (directory: string, isTop: boolean): void => {
    let text: string;
    let names: string[];
    try {
      text = readFileSync(join(directory, 'cgroup.procs'), 'latin1');
      names = readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name);
    } catch (error) {
      // A threaded group of version 2 lists its processes above.
      if (!isTop) return;
      throw failed(codeOf(error), join(directory, 'cgroup.procs'));
    }
    // 0 stands for a process of another pid namespace.
    for (const line of text.split('\n')) if (/^[1-9]\d{0,9}$/.test(line)) pids.add(Number(line));
    for (const name of names) collect(join(directory, name), false);
  };
  collect(path, true);
  return [...pids].sort((a, b) => a - b);
}
