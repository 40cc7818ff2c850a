import { readFileSync, readlinkSync, realpathSync, statfsSync } from 'node:fs';
import { readTreeFile } from '../regular-file.js';
import { parseStat } from './files/proc-text.js';
import { unescapeMount } from './mountinfo.js';

export interface Visibility {
  /** Whether the tree may hide processes of the machine. */
  isRestricted: boolean;
  /** Whether its directory names every process, also those whose files cannot be read. */
  listsAll: boolean;
  /** Why, in a sentence without a full stop; '' if not restricted. */
  reason: string;
  /**
   * Whether pid 1 is the machine's init, which is never killed. The first process of another pid namespace is pid 1 too, and
   * can be killed.
   */
  hasInit: boolean;
  /** Whether the tree has the pid numbers of this process's pid namespace, which cgroup.procs uses. */
  hasOwnPids: boolean;
}

/** PROC_SUPER_MAGIC: the type of procfs by statfs(2). A captured tree has another type and hides nothing. */
const PROC_SUPER_MAGIC = 0x9fa0;
/** Bit of CAP_SYS_PTRACE; capabilities(7). */
const CAP_SYS_PTRACE = 19n;

interface ProcMount {
  hidepid: 'off' | 'noaccess' | 'invisible' | 'ptraceable';
  /** Members of this group are exempt. */
  gid: number;
}

const HIDEPID: Record<string, ProcMount['hidepid']> = {
  1: 'noaccess',
  noaccess: 'noaccess',
  2: 'invisible',
  invisible: 'invisible',
  4: 'ptraceable',
  ptraceable: 'ptraceable',
};

/**
 * @param directory where, without symbolic links.
 * @returns how procfs is mounted there, by mountinfo: the last mount there is the one in sight. Undefined for none.
 */
export function parseProcMount(mountinfo: string, directory: string): ProcMount | undefined {
  let found: ProcMount | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    if (unescapeMount(before?.split(' ')[4] ?? '') !== directory) continue;
    const [type, , options = ''] = after?.split(' ') ?? [];
    if (type !== 'proc') continue;
    const option = (name: string) =>
      options
        .split(',')
        .find((given) => given.startsWith(`${name}=`))
        ?.slice(name.length + 1);
    found = { hidepid: HIDEPID[option('hidepid') ?? ''] ?? 'off', gid: Number(option('gid') ?? 0) };
  }
  return found;
}

/** Whether this process may read every other one: the capability counts only in the first user namespace. */
function mayTraceAll(status: string, uidMap: string): boolean {
  const [, effective] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  const isFirstNamespace = /^\s*0\s+0\s+4294967295\s*$/.test(uidMap);
  return isFirstNamespace && effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SYS_PTRACE) & 1n) === 1n;
}

/** kthreadd, pid 2, is in the machine's own pid namespace and in no other. With hidepid it may not be readable. */
function showsKernelThreads(root: string): boolean {
  return parseStat(readTreeFile(`${root}/2/stat`) ?? '')?.kernelThread === true;
}

/** What /proc/PID/ns/pid of a process in the machine's own pid namespace links to: PROC_PID_INIT_INO of include/linux/proc_ns.h. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

function isInFirstPidNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') === FIRST_PID_NAMESPACE;
  } catch {
    return false;
  }
}

function isProcfs(root: string): boolean {
  try {
    return statfsSync(root).type === PROC_SUPER_MAGIC;
  } catch {
    return false;
  }
}

/** The pid of the calling process in a mounted procfs, whose pid namespace may be another one; '' if it has none. */
function ownPidIn(root: string): string {
  try {
    return readlinkSync(`${root}/self`);
  } catch {
    return '';
  }
}

function realPathOf(root: string): string {
  try {
    return realpathSync(root);
  } catch {
    return root;
  }
}

function readOwn(name: string): string {
  try {
    return readFileSync(`/proc/self/${name}`, 'latin1');
  } catch {
    return '';
  }
}

/**
 * Whether a proc tree shows every process of the machine to this caller. It does not if procfs is mounted with hidepid, or in
 * a container with another pid namespace.
 *
 * Sources: proc(5) for hidepid and gid; Documentation/filesystems/proc.rst; pid_namespaces(7).
 */
export function visibility(root: string): Visibility {
  if (!isProcfs(root)) return { isRestricted: false, listsAll: true, reason: '', hasInit: true, hasOwnPids: true };
  const hasOwnPids = ownPidIn(root) === String(process.pid);
  const hasInit = showsKernelThreads(root) || (hasOwnPids && isInFirstPidNamespace());
  const mount = parseProcMount(readOwn('mountinfo'), realPathOf(root));
  if (mount && mount.hidepid !== 'off') {
    const isMember = mount.hidepid !== 'ptraceable' && mount.gid !== 0 && process.getgroups?.().includes(mount.gid);
    if (!isMember && !mayTraceAll(readOwn('status'), readOwn('uid_map'))) {
      return {
        isRestricted: true,
        listsAll: mount.hidepid === 'noaccess' && hasInit,
        reason: `'${root}' is mounted with hidepid=${mount.hidepid}: processes of other users are hidden`,
        hasInit,
        hasOwnPids,
      };
    }
  }
  if (hasInit) return { isRestricted: false, listsAll: true, reason: '', hasInit, hasOwnPids };
  return {
    isRestricted: true,
    listsAll: false,
    reason: `'${root}' shows only the processes of a container or of another pid namespace`,
    hasInit,
    hasOwnPids,
  };
}
