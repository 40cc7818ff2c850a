import { readRegularHead } from '../regular-file.js';

/** Enough of a stat file or a command line: what matters stands at the beginning. */
const HEAD_BYTES = 4_096;
/** Ancestors that are looked at: more than any chain of launchers has. */
const MOST_ANCESTORS = 64;

const PACKAGE_MANAGERS = /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|bun|bunx)(-cli)?(\.[cm]?js)?$/;
const RUNTIMES = /^(node|nodejs|bun|deno)$/;
const SHELLS = /^-?(sh|ash|bash|dash|ksh|zsh|busybox)$/;

/** @returns the first bytes of a file; undefined where there is none to be read, or what is there is no regular file. */
function readHead(path: string): string | undefined {
  try {
    return readRegularHead(path, HEAD_BYTES).toString('utf8');
  } catch {
    return undefined;
  }
}

/** Fields 1, 4 and 5 of a stat file; proc_pid_stat(5). The name before them may hold anything, parentheses included. */
function readFamily(directory: string): { pid: number; parent: number; group: number } | undefined {
  const text = readHead(`${directory}/stat`) ?? '';
  const [, pid, parent, group] = /^(\d+) \(.*\) [A-Za-z] (\d+) (\d+) /s.exec(text) ?? [];
  return group === undefined ? undefined : { pid: Number(pid), parent: Number(parent), group: Number(group) };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** @param command the content of /proc/PID/cmdline: arguments that end with NUL, or a title that the process gave itself. */
export function isLauncher(command: string): boolean {
  // npm's title is `npm exec percpu rss`, in one argument.
  const [program = '', first = ''] = command.split('\0');
  const name = baseName(program.split(' ', 1)[0]!);
  if (PACKAGE_MANAGERS.test(name)) return true;
  if (RUNTIMES.test(name)) return PACKAGE_MANAGERS.test(baseName(first));
  return SHELLS.test(name) && /^-[a-z]*c$/.test(first);
}

/**
 * Processes that are there only because somebody looks: the calling process, and those that started it for that alone. An
 * ancestor counts when it is a package manager (`npx percpu`) or a shell with `-c`, and the whole chain from it to the calling
 * process is in one process group. An interactive shell puts each command in a group of its own, and so is none of them;
 * neither is a program that runs this package within its own work.
 *
 * @param root the proc tree whose process ids are wanted. One in which the calling process is not has none of them.
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
