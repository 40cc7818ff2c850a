import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf, systemError } from '../errors.js';
import type { MachineMemory } from '../proc/machine-memory.js';
import { readRegularFile, TREE_FILE_BYTES } from '../regular-file.js';
import { type Pressure, parsePressure } from './pressure.js';

/** A control group with memory accounting, as its directory says. Bytes; null: no limit of its own. */
export interface MemoryCgroup {
  /** Directory. */
  path: string;
  version: 1 | 2;
  limitBytes: number | null;
  /** Above it the group is slowed down; version 2 alone has it. */
  highBytes: number | null;
  /** What may be swapped out besides, by version 2's memory.swap.max or what version 1's memsw limit leaves. */
  swapLimitBytes: number | null;
  /** Whether the group swaps at all; version 1 has it per group. */
  swappiness: number | null;
  usageBytes: number;
  /** Page cache that was not used lately: the kernel drops it before anything else. */
  inactiveFileBytes: number;
  /** What else the kernel can take back without swapping before it kills: page cache in use, and slab caches. */
  reclaimableBytes: number;
  /** What is swapped out of `swapLimitBytes`. */
  swapUsageBytes: number;
  /** Version 1's memory.oom_control can make the group's processes wait where one of them would be killed. */
  killDisabled: boolean;
  events: { high: number | null; max: number | null; oom: number | null; oomKill: number | null };
  /** memory.oom.group of version 2. */
  oomGroup: boolean;
  pressure: Pressure | null;
  /** Whether the groups above count what this group uses: not below a version 1 group with memory.use_hierarchy 0. */
  countsUpwards: boolean;
}

function failed(code: string, path: string, message = `cannot read '${path}'`): Error {
  return systemError(code, message, { syscall: 'open', path });
}

/** The text of one file of a group; undefined where the group has no such file. */
function readGroupFile(directory: string, name: string): string | undefined {
  const path = join(directory, name);
  try {
    return readRegularFile(path, TREE_FILE_BYTES).toString('latin1').trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw failed(codeOf(error), path);
  }
}

/** As above; undefined also where the file cannot be read: what it holds is of use, and not needed. */
function readOptionalFile(directory: string, name: string): string | undefined {
  try {
    return readGroupFile(directory, name);
  } catch {
    return undefined;
  }
}

/** Version 1 writes "no limit" as the largest number of whole pages its counters hold. */
const NO_LIMIT_BYTES = 2 ** 62;

function parseBytes(text: string): number | null | undefined {
  if (text === 'max') return null;
  if (!/^\d{1,20}$/.test(text)) return undefined;
  const bytes = Number(text);
  return bytes >= NO_LIMIT_BYTES ? null : bytes;
}

/** @returns bytes, null for no limit, undefined where there is no such file. */
function readLimit(directory: string, name: string): number | null | undefined {
  const text = readGroupFile(directory, name);
  if (text === undefined) return undefined;
  const bytes = parseBytes(text);
  if (bytes === undefined) throw failed('EBADMSG', join(directory, name), `'${join(directory, name)}' holds no limit`);
  return bytes;
}

/** The figure of a `name value` line, as memory.stat and memory.events have them. */
function figureOf(text: string | undefined, name: string): number | null {
  const [, digits] = new RegExp(`^${name} (\\d{1,20})$`, 'm').exec(text ?? '') ?? [];
  return digits === undefined ? null : Number(digits);
}

function countOf(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,20}$/.test(text) ? Number(text) : null;
}

function readVersion1(path: string, limitBytes: number | null): MemoryCgroup {
  const both = readLimit(path, 'memory.memsw.limit_in_bytes');
  const swapLimitBytes = both == null || limitBytes === null ? null : Math.max(0, both - limitBytes);
  const swappiness = countOf(readOptionalFile(path, 'memory.swappiness'));
  const usageBytes = countOf(readOptionalFile(path, 'memory.usage_in_bytes')) ?? 0;
  const stat = readOptionalFile(path, 'memory.stat');
  const oomControl = readOptionalFile(path, 'memory.oom_control');
  return {
    path,
    version: 1,
    limitBytes,
    highBytes: null,
    swapLimitBytes,
    swappiness,
    usageBytes,
    inactiveFileBytes: figureOf(stat, 'total_inactive_file') ?? 0,
    reclaimableBytes: figureOf(stat, 'total_active_file') ?? 0,
    swapUsageBytes: figureOf(stat, 'total_swap') ?? 0,
    killDisabled: figureOf(oomControl, 'oom_kill_disable') === 1,
    events: {
      high: null,
      max: countOf(readOptionalFile(path, 'memory.failcnt')),
      oom: null,
      oomKill: figureOf(oomControl, 'oom_kill'),
    },
    oomGroup: false,
    pressure: null,
    countsUpwards: readOptionalFile(dirname(path), 'memory.use_hierarchy') !== '0',
  };
}

function readVersion2(path: string, limitBytes: number | null): MemoryCgroup {
  const events = readOptionalFile(path, 'memory.events');
  const stat = readOptionalFile(path, 'memory.stat');
  return {
    path,
    version: 2,
    limitBytes,
    highBytes: readLimit(path, 'memory.high') ?? null,
    swapLimitBytes: readLimit(path, 'memory.swap.max') ?? null,
    swappiness: null,
    usageBytes: countOf(readOptionalFile(path, 'memory.current')) ?? 0,
    inactiveFileBytes: figureOf(stat, 'inactive_file') ?? 0,
    reclaimableBytes: (figureOf(stat, 'active_file') ?? 0) + (figureOf(stat, 'slab_reclaimable') ?? 0),
    swapUsageBytes: countOf(readOptionalFile(path, 'memory.swap.current')) ?? 0,
    killDisabled: false,
    events: {
      high: figureOf(events, 'high'),
      max: figureOf(events, 'max'),
      oom: figureOf(events, 'oom'),
      oomKill: figureOf(events, 'oom_kill'),
    },
    oomGroup: readOptionalFile(path, 'memory.oom.group') === '1',
    pressure: parsePressure(readOptionalFile(path, 'memory.pressure')),
    countsUpwards: true,
  };
}

/** The root group of version 2 has controllers, and neither limits nor a type. */
function isRootOfVersion2(path: string): boolean {
  const controllers = readOptionalFile(path, 'cgroup.controllers');
  return Boolean(controllers?.split(' ').includes('memory')) && readOptionalFile(path, 'cgroup.type') === undefined;
}

/**
 * Whether a group is the real root of its hierarchy, above which there is none: the root of a container's own hierarchy has
 * others above it that cannot be seen. Only version 1's root has a release agent.
 */
export function isHierarchyRoot({ path, version }: MemoryCgroup): boolean {
  if (version === 2) return isRootOfVersion2(path);
  return readOptionalFile(path, 'release_agent') !== undefined;
}

/** @returns undefined where the directory is no memory control group. @throws as {@link readCgroup}. */
export function readCgroupIfAny(path: string): MemoryCgroup | undefined {
  const version1 = readLimit(path, 'memory.limit_in_bytes');
  if (version1 !== undefined) return readVersion1(path, version1);
  const version2 = readLimit(path, 'memory.max');
  if (version2 !== undefined) return readVersion2(path, version2);
  return isRootOfVersion2(path) ? readVersion2(path, null) : undefined;
}

/**
 * Reads a memory control group of version 1 or 2.
 *
 * Sources: Documentation/admin-guide/cgroup-v1/memory.rst; Documentation/admin-guide/cgroup-v2.rst.
 *
 * @param path an absolute path, for instance /sys/fs/cgroup/memory/web (1) or /sys/fs/cgroup/web (2).
 * @throws PercpuError `ENOENT`, `ENOTDIR`; `EINVAL` for a directory that is no memory control group, `EBADMSG` for a limit
 *   that is none; with `path`.
 */
export function readCgroup(path: string): MemoryCgroup {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (error) {
    throw failed(codeOf(error), path);
  }
  if (!isDirectory) throw failed('ENOTDIR', path);
  const group = readCgroupIfAny(path);
  if (group) return group;
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

/** The processes of a group and of all groups below it. */
interface GroupProcesses {
  /** Ascending. */
  pids: number[];
  /** Processes that have no pid here, being outside of this pid namespace, and groups whose list cannot be read. */
  hidden: number;
}

/**
 * Lists a group's processes; groups that are removed at the same time are left out.
 *
 * @throws PercpuError with the system's code and `path` when the group's own list cannot be read.
 */
export function groupProcesses(path: string): GroupProcesses {
  const pids = new Set<number>();
  let hidden = 0;
  const collect = (directory: string, isTop: boolean): void => {
    const file = join(directory, 'cgroup.procs');
    let text: string;
    let names: string[];
    try {
      text = readRegularFile(file, TREE_FILE_BYTES).toString('latin1');
      names = readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name);
    } catch (error) {
      const code = codeOf(error);
      if (isTop) throw failed(code, file);
      // A threaded group of version 2 (EOPNOTSUPP) lists its processes above; a removed one (ENOENT, ENODEV) has none.
      if (code !== 'EOPNOTSUPP' && code !== 'ENOENT' && code !== 'ENODEV') hidden++;
      return;
    }
    for (const line of text.split('\n')) {
      if (line === '0') hidden++;
      else if (/^[1-9]\d{0,9}$/.test(line)) pids.add(Number(line));
    }
    for (const name of names) collect(join(directory, name), false);
  };
  collect(path, true);
  return { pids: [...pids].sort((a, b) => a - b), hidden };
}
