import { invalidArgType } from '../errors.js';
import { noProcError, processError } from '../proc/files/errors.js';
import { readMeminfo } from '../proc/machine-memory.js';
import { DEFAULT_ROOT, openTree } from '../proc/proc-tree.js';
import { requirePid } from '../proc/reading.js';
import { readTreeFile } from '../regular-file.js';
import { requireOptions } from '../validate.js';
import type { MemoryCgroup } from './cgroup.js';
import { chainOfProcess, type GroupChain, groupChain, resolveGroup } from './hierarchy.js';
import { type Pressure, parsePressure } from './pressure.js';

/** A memory control group of version 1 or 2, or the machine. Sizes in bytes. */
export interface MemoryGroup {
  /** Directory of the group; null for the machine. */
  path: string | null;
  /** memory.max (version 2) or memory.limit_in_bytes (version 1); null without a limit. The machine: its RAM. */
  limit: number | null;
  /** memory.high (version 2): above it the kernel slows the group down. */
  high: number | null;
  /** Limit of swap in addition to `limit`; null without one. The machine: its swap. */
  swapLimit: number | null;
  usage: number;
  /** Usage minus inactive page cache, as kubelet counts it. The machine: RAM minus MemAvailable. */
  workingSet: number;
  /** How much the working set may grow, at least 0; null without a limit. The machine: MemAvailable. */
  headroom: number | null;
  /**
   * Counts of events. Version 2: memory.events. Version 1: `max` is memory.failcnt, `oomKill` is of memory.oom_control. The
   * machine: only `oomKill`, of /proc/vmstat. Null if the kernel does not tell.
   */
  events: { high: number | null; max: number | null; oom: number | null; oomKill: number | null } | null;
  /** memory.oom.group: the kernel kills all processes of the group together. False in version 1. */
  oomGroup: boolean;
  /** Null in version 1, and if PSI is off. */
  pressure: Pressure | null;
}

export interface MemoryScopeOptions {
  /** The group of this process; default: the calling process. */
  pid?: number | 'self';
  /** A group: its directory, or its name below the mount, as /proc/PID/cgroup prints it. */
  cgroup?: string;
  /** A proc tree to read instead of /proc. */
  root?: string;
}

export interface MemoryScope {
  /** From the innermost group to the machine. */
  groups: MemoryGroup[];
  /** The group with the least headroom, which runs out first. */
  limiting: MemoryGroup;
}

export interface DetailedScope extends MemoryScope {
  /** As `groups`, without the machine. */
  cgroups: MemoryCgroup[];
  isCut: boolean;
}

function toMemoryGroup(group: MemoryCgroup): MemoryGroup {
  const workingSet = Math.max(0, group.usageBytes - group.inactiveFileBytes);
  const isKnown = Object.values(group.events).some((count) => count !== null);
  return {
    path: group.path,
    limit: group.limitBytes,
    high: group.highBytes,
    swapLimit: group.swapLimitBytes,
    usage: group.usageBytes,
    workingSet,
    headroom: group.limitBytes === null ? null : Math.max(0, group.limitBytes - workingSet),
    events: isKnown ? group.events : null,
    oomGroup: group.oomGroup,
    pressure: group.pressure,
  };
}

/** Sources: proc_meminfo(5), proc_vmstat(5), Documentation/accounting/psi.rst. */
function readMachine(root: string): MemoryGroup {
  const bytes = readMeminfo(root);
  const limit = bytes('MemTotal') ?? null;
  const free = bytes('MemFree');
  // Kernels before 3.14 have no MemAvailable.
  const headroom = bytes('MemAvailable') ?? free ?? null;
  const used = (left: number | null | undefined) => (limit === null || left == null ? 0 : Math.max(0, limit - left));
  const [, oomKill] = /^oom_kill (\d{1,20})$/m.exec(readTreeFile(`${root}/vmstat`) ?? '') ?? [];
  return {
    path: null,
    limit,
    high: null,
    swapLimit: bytes('SwapTotal') ?? null,
    usage: used(free),
    workingSet: used(headroom),
    headroom,
    events: oomKill === undefined ? null : { high: null, max: null, oom: null, oomKill: Number(oomKill) },
    oomGroup: false,
    pressure: parsePressure(readTreeFile(`${root}/pressure/memory`)?.trim()),
  };
}

/** @returns the group with the least headroom; of equal ones the innermost, which the kernel charges first. */
function limitingOf(groups: MemoryGroup[]): MemoryGroup {
  const room = ({ headroom }: MemoryGroup) => headroom ?? Number.POSITIVE_INFINITY;
  return groups.reduce((least, group) => (room(group) < room(least) ? group : least));
}

/** @throws as {@link memoryScope}. */
export function readScope(chain: GroupChain, root: string): DetailedScope {
  const groups = [...chain.groups.map(toMemoryGroup), readMachine(root)];
  const limited = groups.filter(({ headroom }) => headroom !== null);
  const limiting = limited.length > 0 ? limitingOf(limited) : groups.at(-1)!;
  return { groups, limiting, cgroups: chain.groups, isCut: chain.isCut };
}

type ScopeOf = { pid: number | 'self' } | { cgroup: string } | undefined;

/** @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`. */
export function requireScopeOf(pid: unknown, cgroup: unknown): ScopeOf {
  if (cgroup !== undefined && typeof cgroup !== 'string') throw invalidArgType('options.cgroup', 'a string', cgroup);
  if (pid !== undefined && cgroup !== undefined) {
    throw invalidArgType('options.cgroup', 'left out where options.pid is given', cgroup);
  }
  if (cgroup !== undefined) return { cgroup };
  if (pid === undefined) return undefined;
  return { pid: pid === 'self' ? pid : requirePid(pid, 'options.pid') };
}

/** @throws as {@link memoryScope}. */
export function chainOf(of: NonNullable<ScopeOf>, root: string): GroupChain {
  if ('cgroup' in of) return groupChain(resolveGroup(of.cgroup, root));
  if (readTreeFile(`${root}/${of.pid}/stat`) === undefined) {
    if (of.pid === 'self' && root === DEFAULT_ROOT) throw noProcError();
    throw processError('ESRCH', root, of.pid, 'stat');
  }
  return chainOfProcess(root, of.pid);
}

/**
 * The memory limits that bind a process or a group: those of its own group, of the groups above, and of the machine. An
 * allocation counts in all of them, so the one with the least headroom runs out first.
 *
 * A container does not show the groups above its own; they are missing.
 *
 * Sources: Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst; proc_pid_cgroup(5), proc_pid_mountinfo(5).
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, also for `pid` together with `cgroup`; RangeError `ERR_OUT_OF_RANGE`; PercpuError
 *   `ESRCH` (no such process); with `path`: `ENOENT`, `ENOTDIR` if there is no such group, `EINVAL` for a directory that is
 *   not a memory control group, `EBADMSG` for a limit file without a limit; `ERR_UNSUPPORTED_PLATFORM` on other systems.
 */
export function memoryScope(of?: MemoryScopeOptions): MemoryScope {
  const { pid, cgroup, root } = requireOptions(of, ['pid', 'cgroup', 'root'], 'of');
  const asked = requireScopeOf(pid, cgroup) ?? { pid: 'self' as const };
  const tree = openTree(root);
  const { groups, limiting } = readScope(chainOf(asked, tree.root), tree.root);
  return { groups, limiting };
}
