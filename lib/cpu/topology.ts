import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus as osCpus } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, invalidArgType, PercpuError, systemError } from '../errors.js';
import { readRegularFile, TREE_FILE_BYTES } from '../regular-file.js';
import { requireOptions } from '../validate.js';
import { parseCpuList } from './cpu-list.js';

const THREAD_STATUS = '/proc/thread-self/status';

/** The place of an online CPU. A field that the kernel does not report is -1. */
export interface TopologyCpu {
  /** CPU number. */
  id: number;
  /** Core id, shared by the hardware threads of a core. In general unique only together with `package`. */
  core: number;
  /** Physical package (socket) id. */
  package: number;
  /** NUMA node. */
  node: number;
  /**
   * Lowest online CPU that shares this CPU's cache of the highest level (data or unified): equal exactly for CPUs that share
   * one.
   */
  llc: number;
}

/** A NUMA node. */
export interface TopologyNode {
  /** Node number; numbers may have holes. */
  id: number;
  /** Online CPUs of the node, ascending; empty for a node that has memory only. */
  cpus: number[];
}

/** The CPUs of a machine at one moment. All lists are ascending; CPU numbers may have holes. */
export interface Topology {
  /** CPU numbers that may come online before the next boot: what per-CPU memory must cover. */
  possible: number[];
  /** CPUs the scheduler uses now. */
  online: number[];
  /** Online CPUs the calling thread may run on. */
  allowed: number[];
  /** Online NUMA nodes; on a kernel without NUMA support a single node 0 with all CPUs. */
  nodes: TopologyNode[];
  /** One entry for each of `online`, in the same order. */
  cpus: TopologyCpu[];
}

function asCpuList(text: string, path: string): number[] {
  try {
    return parseCpuList(text, path);
  } catch (error) {
    throw systemError('EINVAL', (error as Error).message, { syscall: 'read', path });
  }
}

class Files {
  readonly #read: (path: string) => string;

  /** @param own whether the tree is the kernel's: all its files are regular, so they are not checked before reading. */
  constructor(own: boolean) {
    this.#read = own
      ? (path) => readFileSync(path, 'utf8')
      : (path) => readRegularFile(path, TREE_FILE_BYTES).toString('utf8');
  }

  /**
   * @returns the trimmed text of a file; undefined if it cannot be read.
   * @throws PercpuError `EBADMSG` if it is not a regular file.
   */
  text(path: string): string | undefined {
    try {
      return this.#read(path).trim();
    } catch (error) {
      if (codeOf(error) === 'EBADMSG') throw error;
      return undefined;
    }
  }

  id(path: string): number {
    const text = this.text(path);
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : -1;
  }

  cpuList(path: string): number[] {
    let text: string;
    try {
      text = this.#read(path);
    } catch (error) {
      if (error instanceof PercpuError) throw error;
      const { syscall = 'open', errno } = error as NodeJS.ErrnoException;
      throw systemError(codeOf(error), `cannot read '${path}'`, {
        syscall,
        path,
        ...(errno !== undefined && { errno }),
      });
    }
    return asCpuList(text, path);
  }

  optionalCpuList(path: string): number[] | undefined {
    const text = this.text(path);
    return text === undefined ? undefined : asCpuList(text, path);
  }
}

function numberedEntries(directory: string, prefix: string): number[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
}

/** `Cpus_allowed_list` may name offline CPUs; like sched_getaffinity(), the result omits them. */
function allowedCpus(files: Files, statusFile: string, online: number[]): number[] {
  const list = /^Cpus_allowed_list:(.*)$/m.exec(files.text(statusFile) ?? '')?.[1];
  if (list === undefined) return [...online];
  const allowed = new Set(asCpuList(list, statusFile));
  return online.filter((cpu) => allowed.has(cpu));
}

function readNodes(files: Files, nodeDir: string, online: number[]): TopologyNode[] {
  const ids = files.optionalCpuList(join(nodeDir, 'online')) ?? numberedEntries(nodeDir, 'node');
  if (ids.length === 0) return [{ id: 0, cpus: [...online] }];
  const isOnline = new Set(online);
  return ids.map((id) => {
    const cpus = files.optionalCpuList(join(nodeDir, `node${id}`, 'cpulist')) ?? [];
    return { id, cpus: cpus.filter((cpu) => isOnline.has(cpu)) };
  });
}

/** The CPUs that share the cache of the highest level, the given one included; empty if the kernel reports none. */
function lastLevelCacheSharers(files: Files, cacheDir: string): number[] {
  let highest = 0;
  let sharedCpuList = '';
  for (const index of numberedEntries(cacheDir, 'index')) {
    const cache = join(cacheDir, `index${index}`);
    const level = files.id(join(cache, 'level'));
    if (level <= highest || !/^(Unified|Data)$/.test(files.text(join(cache, 'type')) ?? '')) continue;
    highest = level;
    sharedCpuList = join(cache, 'shared_cpu_list');
  }
  return sharedCpuList === '' ? [] : (files.optionalCpuList(sharedCpuList) ?? []);
}

/**
 * `llc` by CPU number. Only one CPU's files are read for all CPUs that share its cache. Some kernels leave offline CPUs in
 * `shared_cpu_list`.
 */
function readLastLevelCaches(files: Files, cpuDir: string, online: number[]): Map<number, number> {
  const llcOf = new Map<number, number>();
  const isOnline = new Set(online);
  for (const cpu of online) {
    if (llcOf.has(cpu)) continue;
    const sharers = lastLevelCacheSharers(files, join(cpuDir, `cpu${cpu}`, 'cache')).filter((sharer) =>
      isOnline.has(sharer),
    );
    for (const sharer of sharers) {
      if (!llcOf.has(sharer)) llcOf.set(sharer, sharers[0]!);
    }
  }
  return llcOf;
}

/** @param statusFile the /proc/…/status of the thread whose affinity counts. */
function readTopology(sys: string, statusFile: string): Topology {
  const files = new Files(sys === '/sys');
  const cpuDir = join(sys, 'devices/system/cpu');
  const online = files.cpuList(join(cpuDir, 'online'));
  const possible = files.optionalCpuList(join(cpuDir, 'possible')) ??
    files.optionalCpuList(join(cpuDir, 'present')) ?? [...online];
  const nodes = readNodes(files, join(sys, 'devices/system/node'), online);
  const nodeOf = new Map(nodes.flatMap((node) => node.cpus.map((cpu) => [cpu, node.id])));
  const llcOf = readLastLevelCaches(files, cpuDir, online);
  const cpus = online.map((id) => {
    const topologyDir = join(cpuDir, `cpu${id}`, 'topology');
    return {
      id,
      core: files.id(join(topologyDir, 'core_id')),
      package: files.id(join(topologyDir, 'physical_package_id')),
      node: nodeOf.get(id) ?? -1,
      llc: llcOf.get(id) ?? -1,
    };
  });
  return { possible, online, allowed: allowedCpus(files, statusFile, online), nodes, cpus };
}

/** The runtime's number of CPUs; 1 without permission to ask. */
function runtimeCpuCount(): number {
  const ask = (count: () => number) => {
    try {
      return count();
    } catch {
      return 1;
    }
  };
  return Math.max(
    ask(() => osCpus().length),
    ask(availableParallelism),
  );
}

/** For other systems, and for sandboxes that hide sysfs. */
function fallbackTopology(): Topology {
  const online = Array.from({ length: runtimeCpuCount() }, (_, cpu) => cpu);
  return {
    possible: [...online],
    online,
    allowed: [...online],
    nodes: [{ id: 0, cpus: [...online] }],
    cpus: online.map((id) => ({ id, core: id, package: 0, node: 0, llc: -1 })),
  };
}

/** Locates sysfs and the status file; `root` is sysfs itself, or a tree with `sys` and `proc`. */
function locate(root: string): { sys: string; statusFile: string } {
  const given = resolve(root);
  const inTree = join(given, 'sys');
  const has = (sys: string) => existsSync(join(sys, 'devices/system/cpu'));
  const sys = !has(given) && has(inTree) ? inTree : given;
  if (sys === '/sys') return { sys, statusFile: THREAD_STATUS };
  const inside = join(given, 'proc/self/status');
  const beside = join(dirname(sys), 'proc/self/status');
  return { sys, statusFile: basename(sys) === 'sys' && !existsSync(inside) ? beside : inside };
}

/**
 * Describes the CPUs of this machine, or of a captured sysfs tree. Each call reads files synchronously, because CPUs and the
 * thread's affinity may change.
 *
 * Without `root` it never throws. Without a readable sysfs (other systems, some sandboxes) it returns as many CPUs as Node
 * reports, in one package and one node, each its own core, with `llc` -1.
 *
 * Sources: Documentation/admin-guide/cputopology.rst; Documentation/ABI/stable/sysfs-devices-system-cpu and
 * sysfs-devices-node; Documentation/ABI/testing/sysfs-devices-system-cpu (cache); proc_pid_status(5).
 *
 * @param options.root a directory to read instead of `/sys`: a sysfs tree, or a folder that holds one as `sys`.
 *   `allowed` then comes from `proc/self/status` inside it, or beside it if its name is `sys`; without that file all online
 *   CPUs are allowed.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` if `options` or `root` has the wrong type. Only with `root`: PercpuError with the
 *   system's code (`ENOENT`, `EACCES`, …), `syscall` and `path` if the list of online CPUs cannot be read, `EBADMSG` if a
 *   file is not a regular one, and `EINVAL` if a file does not hold a CPU list.
 */
export function topology(options?: { root?: string }): Topology {
  const { root } = requireOptions(options, ['root']);
  if (root !== undefined) {
    if (typeof root !== 'string') throw invalidArgType('options.root', 'a string', root);
    const { sys, statusFile } = locate(root);
    return readTopology(sys, statusFile);
  }
  try {
    return readTopology('/sys', THREAD_STATUS);
  } catch {
    return fallbackTopology();
  }
}
