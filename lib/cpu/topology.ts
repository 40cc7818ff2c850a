import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus as osCpus } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, invalidArgType, PercpuError, systemError } from '../errors.js';
import { readRegularFile, TREE_FILE_BYTES } from '../regular-file.js';
import { requireOptions } from '../validate.js';
import { parseCpuList } from './cpu-list.js';

const THREAD_STATUS = '/proc/thread-self/status';

/** Where an online CPU sits. Every field is -1 where the kernel does not tell. */
export interface TopologyCpu {
  /** CPU number. */
  id: number;
  /** Core id; hardware threads of one core share it. In general unique only together with `package`. */
  core: number;
  /** Physical package (socket) id. */
  package: number;
  /** NUMA node whose CPUs include this one. */
  node: number;
  /**
   * Lowest online CPU that shares this CPU's cache of the highest level (data or unified): equal for exactly the CPUs
   * that share one.
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
  /** CPU numbers that may ever come online before the next boot: what per-CPU memory has to cover. */
  possible: number[];
  /** CPUs the scheduler uses now. */
  online: number[];
  /** Online CPUs the calling thread may run on. */
  allowed: number[];
  /** Online NUMA nodes; a single node 0 with all CPUs on a kernel without NUMA support. */
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

/** Files of the kernel's own sysfs, or of a tree that others may have made. */
class Files {
  readonly #read: (path: string) => string;

  /** @param own they are the kernel's: regular files, all of them, and not looked at before they are read. */
  constructor(own: boolean) {
    this.#read = own
      ? (path) => readFileSync(path, 'utf8')
      : (path) => readRegularFile(path, TREE_FILE_BYTES).toString('utf8');
  }

  /**
   * The text of a file without white space around it; undefined when it cannot be read.
   *
   * @throws PercpuError `EBADMSG` for what is no regular file.
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

/** Numbers N of the entries `prefixN` of a directory, ascending; none when it cannot be read. */
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

/** `Cpus_allowed_list` may name CPUs that are possible but offline; sched_getaffinity() leaves those out, and so do we. */
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

/** The CPUs that share the cache of the highest level, the given one among them; empty when the kernel tells of none. */
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
 * `llc` by CPU number. One CPU's files speak for all that share its cache, which keeps large machines cheap. Some
 * kernels leave CPUs that went offline in `shared_cpu_list`.
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

/** Reads a sysfs tree; `statusFile` is the /proc/…/status of the thread whose affinity counts. */
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

/** How many CPUs the runtime knows of; 1 where it may not tell. */
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

/** What can be said without sysfs: other systems, and sandboxes that hide it. */
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

/** Locates sysfs and the status file below a root that is either sysfs itself or a whole tree with `sys` and `proc`. */
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
 * Describes the CPUs of this machine, or of a captured sysfs tree. Reads files synchronously on every call; CPUs may
 * come and go between calls, and a thread's affinity may change.
 *
 * Without a readable sysfs (other systems, some sandboxes) and without `root` it never throws: it answers with as many
 * CPUs as Node reports, in one package and one node, each its own core, `llc` -1.
 *
 * Sources: Documentation/admin-guide/cputopology.rst; Documentation/ABI/stable/sysfs-devices-system-cpu and
 * sysfs-devices-node; Documentation/ABI/testing/sysfs-devices-system-cpu (cache); proc_pid_status(5).
 *
 * @param options.root a directory to read instead of `/sys`: a sysfs tree, or a folder that holds one as `sys`.
 *   `allowed` then comes from `proc/self/status` inside it, or beside it when its name is `sys`; without that file all
 *   online CPUs are allowed.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` when `options` or `root` has the wrong type. Only with `root`: PercpuError
 *   with the system's code (`ENOENT`, `EACCES`, …), `syscall` and `path` when the list of online CPUs cannot be read,
 *   `EBADMSG` when something else than a regular file is in a file's place, and `EINVAL` when a file does not hold a CPU list.
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
