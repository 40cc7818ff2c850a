import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf, systemError } from '../errors.js';
import type { MachineMemory } from '../proc/machine-memory.js';
import { readRegularFile, TREE_FILE_BYTES } from '../regular-file.js';
import { type Pressure, parsePressure } from './pressure.js';

/** A control group with memory accounting. Sizes in bytes; null means no limit. */
export interface MemoryCgroup {
  path: string;
  version: 1 | 2;
  limitBytes: number | null;
  /** Above it the kernel slows the group down; only in version 2. */
  highBytes: number | null;
  /** Limit of swap in addition: memory.swap.max (version 2), or the memsw limit minus the memory limit (version 1). */
  swapLimitBytes: number | null;
  /** 0: the group does not swap. Only version 1 has it per group. */
  swappiness: number | null;
  usageBytes: number;
  /** Inactive page cache, which the kernel drops first. */
  inactiveFileBytes: number;
  /** What else the kernel can reclaim without swap before it kills: active page cache and slab caches. */
  reclaimableBytes: number;
  swapUsageBytes: number;
  /** Version 1's memory.oom_control can make processes wait instead of killing one. */
  killDisabled: boolean;
  events: { high: number | null; max: number | null; oom: number | null; oomKill: number | null };
  oomGroup: boolean;
  pressure: Pressure | null;
  /** Whether the groups above count this group's usage: not below a version 1 group with memory.use_hierarchy 0. */
  countsUpwards: boolean;
}

function failed(code: string, path: string, message = `cannot read '${path}'`): Error {
  return systemError(code, message, { syscall: 'open', path });
}

function readCgroupFile(directory: string, name: string): string | undefined {
  const path = join(directory, name);
  try {
    return readRegularFile(path, TREE_FILE_BYTES).toString('latin1').trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw failed(codeOf(error), path);
  }
}

function readOptionalFile(directory: string, name: string): string | undefined {
  try {
    return readCgroupFile(directory, name);
  } catch {
    return undefined;
  }
}

/** Version 1 prints "no limit" as the largest number of whole pages that its counters hold. */
const NO_LIMIT_BYTES = 2 ** 62;

function parseBytes(text: string): number | null | undefined {
  if (text === 'max') return null;
  if (!/^\d{1,20}$/.test(text)) return undefined;
  const bytes = Number(text);
  return bytes >= NO_LIMIT_BYTES ? null : bytes;
}

/** @returns bytes; null for no limit; undefined without such a file. */
function readLimit(directory: string, name: string): number | null | undefined {
  const text = readCgroupFile(directory, name);
  if (text === undefined) return undefined;
  const bytes = parseBytes(text);
  if (bytes === undefined)
    throw failed('EBADMSG', join(directory, name), `'${join(directory, name)}' does not hold a limit`);
  return bytes;
}

/** The figure of a `name value` line, as in memory.stat and memory.events. */
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

/** The root group of version 2 has controllers, but neither limits nor a type. */
function isRootOfVersion2(path: string): boolean {
  const controllers = readOptionalFile(path, 'cgroup.controllers');
  return Boolean(controllers?.split(' ').includes('memory')) && readOptionalFile(path, 'cgroup.type') === undefined;
}

/**
 * Whether a group is the real root of its hierarchy. A container's root has invisible groups above it. In version 1 only the
 * real root has a release agent.
 */
export function isHierarchyRoot({ path, version }: MemoryCgroup): boolean {
  if (version === 2) return isRootOfVersion2(path);
  return readOptionalFile(path, 'release_agent') !== undefined;
}

/** @returns undefined if the directory is not a memory control group. @throws as {@link readCgroup}. */
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
 * @param path an absolute path, such as /sys/fs/cgroup/memory/web (1) or /sys/fs/cgroup/web (2).
 * @throws PercpuError with `path`: `ENOENT`, `ENOTDIR`; `EINVAL` for a directory that is not a memory control group, `EBADMSG`
 *   for a limit file without a limit.
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
  throw failed('EINVAL', path, `'${path}' is not a memory control group: it has neither ${looked}`);
}

/**
 * @returns the pages, at least 1, that badness in a full group is measured against: its limit plus its swap limit, at most
 *   all swap; all of RAM and swap without a limit. Source: mem_cgroup_get_max() of mm/memcontrol.c.
 */
export function cgroupTotalPages(group: MemoryCgroup, machine: MachineMemory, pageBytes: number): number {
  const pages = (bytes: number) => Math.floor(bytes / pageBytes);
  if (group.limitBytes === null) return Math.max(1, pages(machine.ramBytes) + pages(machine.swapBytes));
  const maySwap = (group.swappiness ?? machine.swappiness) > 0;
  const swapBytes = maySwap ? Math.min(group.swapLimitBytes ?? machine.swapBytes, machine.swapBytes) : 0;
  return Math.max(1, pages(group.limitBytes) + pages(swapBytes));
}

interface GroupProcesses {
  pids: number[];
  /**
   * Processes that have no pid here, being outside of this pid namespace, and groups whose list cannot be read. Version 1 does
   * not list those processes at all.
   */
  hidden: number;
  /** Whether the list of every group was read. */
  isComplete: boolean;
}

/**
 * Lists a group's processes. It omits groups that are removed at the same time.
 *
 * @throws PercpuError with the system's code and `path` if the group's own list cannot be read.
 */
export function groupProcesses(path: string): GroupProcesses {
  const pids = new Set<number>();
  let hidden = 0;
  let isComplete = true;
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
      if (code !== 'EOPNOTSUPP' && code !== 'ENOENT' && code !== 'ENODEV') {
        hidden++;
        isComplete = false;
      }
      return;
    }
    for (const line of text.split('\n')) {
      if (line === '0') hidden++;
      else if (/^[1-9]\d{0,9}$/.test(line)) pids.add(Number(line));
    }
    for (const name of names) collect(join(directory, name), false);
  };
  collect(path, true);
  return { pids: [...pids].sort((a, b) => a - b), hidden, isComplete };
}
