import { readRegularHead } from '../regular-file.js';

/** Enough of a stat file or a command line: only their beginning is needed. */
const HEAD_BYTES = 4_096;
/** More ancestors than any chain of launchers has. */
const MOST_ANCESTORS = 64;

const PACKAGE_MANAGERS = /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|bun|bunx)(-cli)?(\.[cm]?js)?$/;
const RUNTIMES = /^(node|nodejs|bun|deno)$/;
const SHELLS = /^-?(sh|ash|bash|dash|ksh|zsh|busybox)$/;

/** @returns the first bytes of a file; undefined if it cannot be read at once. */
function readHead(path: string): string | undefined {
  try {
    return readRegularHead(path, HEAD_BYTES).toString('utf8');
  } catch {
    return undefined;
  }
}

/** Fields 1, 4 and 5 of a stat file; proc_pid_stat(5). The name in field 2 may contain parentheses. */
function readFamily(directory: string): { pid: number; parent: number; group: number } | undefined {
  const text = readHead(`${directory}/stat`) ?? '';
  const [, pid, parent, group] = /^(\d+) \(.*\) [A-Za-z] (\d+) (\d+) /s.exec(text) ?? [];
  return group === undefined ? undefined : { pid: Number(pid), parent: Number(parent), group: Number(group) };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** @param command the content of /proc/PID/cmdline: arguments that end with NUL, or a title that the process set. */
export function isLauncher(command: string): boolean {
  // npm's title is `npm exec percpu rss`, in one argument.
  const [program = '', first = ''] = command.split('\0');
  const name = baseName(program.split(' ', 1)[0]!);
  if (PACKAGE_MANAGERS.test(name)) return true;
  if (RUNTIMES.test(name)) return PACKAGE_MANAGERS.test(baseName(first));
  return SHELLS.test(name) && /^-[a-z]*c$/.test(first);
}

/**
 * Processes that run only to observe: the calling process and its launchers. An ancestor is a launcher if it is a package
 * manager (`npx percpu`) or a shell with `-c`, and the whole chain from it to the calling process is in one process group. An
 * interactive shell is none, because it puts each command in another group; neither is a program that uses this package.
 *
 * @param root a proc tree. If the calling process is not in it, there are none.
 * @returns process ids as that tree numbers them.
 */
export function observerPids(root = '/proc'): Set<number> {
  const pids = new Set<number>();
  const own = readFamily(`${root}/self`);
  if (!own) return pids;
  pids.add(own.pid);
  let { parent } = own;
  while (parent > 0 && pids.size <= MOST_ANCESTORS) {
    const family = readFamily(`${root}/${parent}`);
    if (family?.group !== own.group || !isLauncher(readHead(`${root}/${parent}/cmdline`) ?? '')) break;
    pids.add(family.pid);
    parent = family.parent;
  }
  return pids;
}
