import { readFileSync, readlinkSync, statfsSync } from 'node:fs';
import { readTreeFile } from '../regular-file.js';
import { parseStat } from './files/proc-text.js';

/** What a caller cannot see of a machine's processes through a proc tree. */
export interface Visibility {
  /** Whether there may be processes that the tree does not show. */
  isRestricted: boolean;
  /** Why, in a sentence without a full stop; '' for nothing. */
  reason: string;
  /**
   * Whether pid 1 is the machine's init, which is never killed. The first process of another pid namespace has that number
   * too, and is one like any other to the OOM killer.
   */
  hasInit: boolean;
  /** Whether the tree numbers processes as this process's pid namespace does, and so as cgroup.procs does. */
  hasOwnPids: boolean;
}

/** Type of procfs by statfs(2): PROC_SUPER_MAGIC. A captured tree is of another one, and shows all there is in it. */
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

/** @returns how procfs is mounted at a directory, by mountinfo: the last mount there is the one in sight. */
function parseProcMount(mountinfo: string, directory: string): ProcMount | undefined {
  let found: ProcMount | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    if (before?.split(' ')[4] !== directory) continue;
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

/** Whether this process may look at every other one: a capability counts in the first user namespace only. */
function mayTraceAll(status: string, uidMap: string): boolean {
  const [, effective] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  const isFirstNamespace = /^\s*0\s+0\s+4294967295\s*$/.test(uidMap);
  return isFirstNamespace && effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SYS_PTRACE) & 1n) === 1n;
}

/** kthreadd, pid 2, is in the machine's own pid namespace and in no other. */
function showsKernelThreads(root: string): boolean {
  return parseStat(readTreeFile(`${root}/2/stat`) ?? '')?.kernelThread === true;
}

function isProcfs(root: string): boolean {
  try {
    return statfsSync(root).type === PROC_SUPER_MAGIC;
  } catch {
    return false;
  }
}

/** The number of the calling process in a mounted procfs, whose pid namespace may be another one; '' where it has none. */
function ownPidIn(root: string): string {
  try {
    return readlinkSync(`${root}/self`);
  } catch {
    return '';
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
 * Whether a proc tree shows every process of the machine to this caller: it does not where procfs is mounted with hidepid, nor
 * in a container with a pid namespace of its own.
 *
 * Sources: proc(5) for hidepid and gid; Documentation/filesystems/proc.rst; pid_namespaces(7).
 */
export function visibility(root: string): Visibility {
  if (!isProcfs(root)) return { isRestricted: false, reason: '', hasInit: true, hasOwnPids: true };
  const hasInit = showsKernelThreads(root);
  const hasOwnPids = ownPidIn(root) === String(process.pid);
  const mount = parseProcMount(readOwn('mountinfo'), root);
  if (mount && mount.hidepid !== 'off') {
    const isMember = mount.hidepid !== 'ptraceable' && mount.gid !== 0 && process.getgroups?.().includes(mount.gid);
    if (!isMember && !mayTraceAll(readOwn('status'), readOwn('uid_map'))) {
      return {
        isRestricted: true,
        reason: `'${root}' is mounted with hidepid=${mount.hidepid}: processes of other users cannot be seen`,
        hasInit,
        hasOwnPids,
      };
    }
  }
  if (hasInit) return { isRestricted: false, reason: '', hasInit, hasOwnPids };
  return {
    isRestricted: true,
    reason: `'${root}' shows the processes of a container, or of another pid namespace, and none outside of it`,
    hasInit,
    hasOwnPids,
  };
}
