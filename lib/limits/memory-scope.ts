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

/** A memory control group, of version 1 or 2, or the machine. All sizes in bytes. */
export interface MemoryGroup {
  /** Directory of the group; null: the machine. */
  path: string | null;
  /** memory.max of version 2, memory.limit_in_bytes of version 1, null without a limit; the machine: its RAM. */
  limit: number | null;
  /** memory.high of version 2: above it the group is slowed down. */
  high: number | null;
  /** What may be swapped out besides, null without a limit; the machine: its swap. */
  swapLimit: number | null;
  usage: number;
  /** Usage less the page cache that was not used lately, which is what kubelet counts; the machine: RAM less MemAvailable. */
  workingSet: number;
  /** What the working set may still grow by, at least 0; null without a limit. The machine: MemAvailable. */
  headroom: number | null;
  /**
   * How often something happened: memory.events of version 2; of version 1 `max` is memory.failcnt and `oomKill` comes from
   * memory.oom_control. The machine has `oomKill` alone, from /proc/vmstat. Null where the kernel does not tell.
   */
  events: { high: number | null; max: number | null; oom: number | null; oomKill: number | null } | null;
  /** memory.oom.group: all of the group's processes are killed together. False in version 1. */
  oomGroup: boolean;
  /** Null where the kernel does not tell: in version 1, and where PSI is off. */
  pressure: Pressure | null;
}

export interface MemoryScopeOptions {
  /** The group of this process; default: of the calling one. */
  pid?: number | 'self';
  /** A group: its directory, or its name as /proc/PID/cgroup prints it, below the mount. */
  cgroup?: string;
  /** A proc tree to read instead of /proc. */
  root?: string;
}

export interface MemoryScope {
  /** From the innermost group to the machine. */
  groups: MemoryGroup[];
  /** The one with the least headroom, which runs out first. */
  limiting: MemoryGroup;
}

/** The groups with what only the prediction needs. */
export interface DetailedScope extends MemoryScope {
  /** One less than `groups`: the machine is none. */
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

/** @returns the one with the least headroom; of equal ones the innermost, which the kernel charges first. */
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

/** Where a scope is asked for. */
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
 * Which memory limits bind a process or a group: its own group's, those of the groups above, and the machine's. An allocation
 * counts in all of them, so that the one with the least headroom runs out first.
 *
 * In a container the groups above the container's own cannot be seen and are missing.
 *
 * Sources: Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst; proc_pid_cgroup(5), proc_pid_mountinfo(5).
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, also for `pid` together with `cgroup`; RangeError `ERR_OUT_OF_RANGE`; PercpuError
 *   `ESRCH` (no such process); `ENOENT`, `ENOTDIR` for a group that is none, `EINVAL` for a directory that is no memory
 *   control group, `EBADMSG` for a limit that is none, with `path`; `ERR_UNSUPPORTED_PLATFORM` away from Linux.
 */
export function memoryScope(of?: MemoryScopeOptions): MemoryScope {
  const { pid, cgroup, root } = requireOptions(of, ['pid', 'cgroup', 'root'], 'of');
  const asked = requireScopeOf(pid, cgroup) ?? { pid: 'self' as const };
  const tree = openTree(root);
  const { groups, limiting } = readScope(chainOf(asked, tree.root), tree.root);
  return { groups, limiting };
}
