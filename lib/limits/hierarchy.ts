import { dirname, isAbsolute, join, posix, relative, resolve } from 'node:path';
import { codeOf, outOfRange, systemError } from '../errors.js';
import { memoryGroupName } from '../proc/cgroup-file.js';
import { unescapeMount } from '../proc/mountinfo.js';
import { readTreeFile } from '../regular-file.js';
import { isHierarchyRoot, type MemoryCgroup, readCgroup, readCgroupIfAny } from './cgroup.js';

/** The mount of a hierarchy of control groups with memory accounting. */
interface HierarchyMount {
  version: 1 | 2;
  directory: string;
  /** The group of that directory, as /proc/PID/cgroup names it. */
  root: string;
}

/**
 * @returns the mounted hierarchies with memory accounting, mounts of a whole hierarchy first.
 * Source: proc_pid_mountinfo(5).
 */
function parseHierarchyMounts(mountinfo: string): HierarchyMount[] {
  const mounts: HierarchyMount[] = [];
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const [, , , root, directory] = before?.split(' ') ?? [];
    const [type, , options = ''] = after?.split(' ') ?? [];
    if (root === undefined || directory === undefined) continue;
    const isV1 = type === 'cgroup' && options.split(',').includes('memory');
    if (!isV1 && type !== 'cgroup2') continue;
    mounts.push({ version: isV1 ? 1 : 2, directory: unescapeMount(directory), root: unescapeMount(root) });
  }
  // The memory controller belongs to one version: if version 1 has it, version 2 does not.
  const version = mounts.some((mount) => mount.version === 1) ? 1 : 2;
  return mounts.filter((mount) => mount.version === version).sort((a, b) => a.root.length - b.root.length);
}

function hierarchyMounts(root: string): HierarchyMount[] {
  return parseHierarchyMounts(readTreeFile(`${root}/self/mountinfo`) ?? '');
}

/** @returns the directory of a group named as in /proc/PID/cgroup; undefined if it is not below the mount. */
function directoryOf({ directory, root }: HierarchyMount, name: string): string | undefined {
  const below = posix.relative(root, posix.join('/', name));
  return below === '..' || below.startsWith('../') ? undefined : join(directory, below);
}

/** @returns the name of a group below its mount, as /proc/PID/cgroup prints it; `path` if no mount has it. */
export function groupName(path: string, root: string): string {
  for (const { directory } of hierarchyMounts(root)) {
    const below = relative(directory, path);
    if (below === '') return '/';
    if (!below.startsWith('..') && !isAbsolute(below)) return `/${below}`;
  }
  return path;
}

function whereGroupsLive(mounts: HierarchyMount[]): string {
  const [first] = mounts;
  return first
    ? `groups of this machine are below '${first.directory}'`
    : 'no hierarchy with memory accounting is mounted';
}

/**
 * @param name a directory, or a group's name below the mount, as /proc/PID/cgroup prints it.
 * @param root a proc tree, whose `self/mountinfo` lists the mounts.
 * @throws RangeError `ERR_OUT_OF_RANGE` for ''; PercpuError as `readCgroup`, if it is neither.
 */
export function resolveGroup(name: string, root: string): string {
  if (name === '' || name.includes('\0')) {
    throw outOfRange('options.cgroup', "a directory, or a group's name as /proc/PID/cgroup prints it", name);
  }
  const asGiven = resolve(name);
  let error: unknown;
  try {
    return readCgroup(asGiven).path;
  } catch (problem) {
    error = problem;
  }
  // For any other error there is a group, damaged or forbidden: no search elsewhere.
  const code = codeOf(error);
  if (code !== 'ENOENT' && code !== 'EINVAL' && code !== 'ENOTDIR') throw error;
  const mounts = hierarchyMounts(root);
  for (const mount of mounts) {
    const directory = directoryOf(mount, name);
    if (directory === undefined || directory === asGiven) continue;
    try {
      return readCgroup(directory).path;
    } catch {
      // The next one.
    }
  }
  const { message } = error as Error;
  throw systemError(code, `${message.replace(/^\w+: /, '').replace(/, open$/, '')}; ${whereGroupsLive(mounts)}`, {
    syscall: 'open',
    path: asGiven,
  });
}

/** A group and those above it, as far as they can be seen. */
export interface GroupChain {
  groups: MemoryCgroup[];
  /** Whether there may be more groups above the last one: a container does not see those it is in. */
  isCut: boolean;
}

/**
 * Reads the groups from a directory upwards. It skips groups of version 2 without the memory controller: their usage counts
 * in the nearest group above that has it.
 */
export function groupChain(directory: string): GroupChain {
  const groups: MemoryCgroup[] = [];
  let path = directory;
  for (;;) {
    let group: MemoryCgroup | undefined;
    try {
      group = readCgroupIfAny(path);
    } catch (error) {
      if (groups.length === 0) throw error;
      return { groups, isCut: true };
    }
    if (group) groups.push(group);
    if (group && isHierarchyRoot(group)) return { groups, isCut: false };
    if (group && !group.countsUpwards) return { groups, isCut: false };
    const above = dirname(path);
    if (above === path || (!group && groups.length > 0)) return { groups, isCut: true };
    path = above;
  }
}

/** @returns the chain of a process's group; empty and cut if the machine has groups and the process's is not found. */
export function chainOfProcess(root: string, pid: number | 'self'): GroupChain {
  const text = readTreeFile(`${root}/${pid}/cgroup`);
  // A kernel without control groups has no such file.
  if (text === undefined) return { groups: [], isCut: false };
  const mounts = hierarchyMounts(root);
  for (const mount of mounts) {
    const name = memoryGroupName(text, mount.version);
    const directory = name === undefined ? undefined : directoryOf(mount, name);
    if (directory === undefined) continue;
    const chain = chainFrom(directory, mount.directory);
    if (chain) return chain;
  }
  return { groups: [], isCut: memoryGroupName(text, 1) !== undefined || !isWithoutMemoryController(mounts) };
}

/** Whether the whole hierarchy of version 2 is visible and accounts no memory. */
function isWithoutMemoryController(mounts: HierarchyMount[]): boolean {
  return mounts.some(
    ({ version, directory }) =>
      version === 2 &&
      readTreeFile(join(directory, 'cgroup.type')) === undefined &&
      readTreeFile(join(directory, 'cgroup.controllers')) !== undefined,
  );
}

/** @returns the chain from a directory at or below a mount; undefined if no group up to the mount accounts memory. */
function chainFrom(directory: string, mount: string): GroupChain | undefined {
  for (let path = directory; ; path = dirname(path)) {
    try {
      if (readCgroupIfAny(path)) return groupChain(path);
    } catch {
      return { groups: [], isCut: true };
    }
    if (path === mount || dirname(path) === path) return undefined;
  }
}
