import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { codeOf } from '../errors.js';

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;
/** In such a folder (/tmp), only its owner can rename or remove an entry. */
const STICKY = 0o1000;

const MOST_LINKS = 40;

/** One part of a path: a folder, a link, or the file itself. */
interface Step {
  path: string;
  stat: Stats;
}

/** `'hidden'`: a runtime that restricts access refuses; `'missing'` ends the path. */
function look(path: string): Stats | 'missing' | 'hidden' {
  try {
    return lstatSync(path);
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'hidden';
  }
}

/**
 * @param from a folder above `path`.
 * @returns every step of resolving `path` from that folder on, both ends included and links followed; path_resolution(7).
 */
function wayTo(path: string, from: string): { steps: Step[]; isComplete: boolean } {
  const steps: Step[] = [];
  const visit = (at: string) => {
    const stat = look(at);
    if (typeof stat === 'object') steps.push({ path: at, stat });
    return stat;
  };
  visit(from);
  let at = from;
  let links = 0;
  const names = relative(from, path).split('/');
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '' || name === '.') continue;
    const next = name === '..' ? dirname(at) : join(at, name);
    const stat = visit(next);
    if (stat === 'missing') return { steps, isComplete: false };
    if (typeof stat === 'object' && stat.isSymbolicLink() && ++links <= MOST_LINKS) {
      const target = readlinkSync(next);
      names.unshift(...target.split('/'));
      if (isAbsolute(target)) at = '/';
    } else at = next;
  }
  return { steps, isComplete: true };
}

function isIn(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith('../');
}

function commonFolder(a: string, b: string): string {
  let folder = dirname(a);
  while (!isIn(folder, b)) folder = dirname(folder);
  return folder;
}

function ask(id: (() => number) | undefined): number | undefined {
  try {
    return id?.call(process);
  } catch {
    return undefined;
  }
}

/** Users and groups that control this program anyway. */
interface Trusted {
  users: Set<number>;
  groups: Set<number>;
}

/**
 * Root and this user, and their private groups, which have the user's number and no other member: distributions set umask
 * 002 for such users, so their files are writable for the group. Also all who may write the running code, whose path is
 * `code`: an application's files often belong to another user than the one that runs it.
 */
function trusted(code: Step[]): Trusted {
  const user = ask(process.geteuid);
  const isPrivate = user !== undefined && ask(process.getegid) === user;
  const writable = code.filter(
    ({ stat }) => (stat.mode & GROUP_WRITES) !== 0 && !isSticky(stat) && !stat.isSymbolicLink(),
  );
  return {
    users: new Set([0, ...(user === undefined ? [] : [user]), ...code.map(({ stat }) => stat.uid)]),
    groups: new Set([0, ...(isPrivate ? [user] : []), ...writable.map(({ stat }) => stat.gid)]),
  };
}

const isSticky = (stat: Stats) => stat.isDirectory() && (stat.mode & STICKY) !== 0;

/** @returns who may change this step without being trusted, if anyone. */
function strangerAt({ stat }: Step, { users, groups }: Trusted): string | undefined {
  if (!users.has(stat.uid)) return `user ${stat.uid}`;
  if (stat.isSymbolicLink()) return undefined;
  if ((stat.mode & OTHERS_WRITE) !== 0) return 'anyone';
  return (stat.mode & GROUP_WRITES) !== 0 && !groups.has(stat.gid) ? `group ${stat.gid}` : undefined;
}

const refusal = (who: string, path: string) => `refused: ${who} may write '${path}'`;

/**
 * Whether other users could put their code at a path that this program is about to load.
 *
 * It checks the file, each folder from the package's on, and the folders above that are not also above the running code: a
 * user who may write one of those could replace the running code too. If no other user may write any of these, nothing
 * changes between this check and the loading, though both use the path. In a sticky folder above the package's, only the
 * owners of entries can change them, and the entries are checked in turn.
 *
 * Not detected: access control lists that give a private group's rights to others.
 *
 * @param packageFolder a folder above `path`.
 * @param code the file of the running code.
 * @returns why not to load it; undefined if no other user may write it, or there is no such file.
 */
export function strangersReason(path: string, packageFolder: string, code: string): string | undefined {
  const folder = resolve(packageFolder);
  const from = commonFolder(code, folder);
  const codeSteps = wayTo(code, from).steps;
  const above = new Set(codeSteps.map((step) => step.path));
  const known = trusted(codeSteps);
  const way = wayTo(path, from);
  if (!way.isComplete) return undefined;
  for (const step of way.steps) {
    const isInside = isIn(folder, step.path);
    if (!isInside && above.has(step.path)) continue;
    const who = strangerAt(step, known);
    const keepsEntries = !isInside && isSticky(step.stat) && known.users.has(step.stat.uid);
    if (who !== undefined && !keepsEntries) return refusal(who, step.path);
  }
  return undefined;
}

/** The same for a path that the user chose: any owner is accepted, but not a file that everyone may write. */
export function anyonesReason(path: string): string | undefined {
  const isOpen = ({ stat }: Step) => (stat.mode & OTHERS_WRITE) !== 0 && !stat.isSymbolicLink() && !isSticky(stat);
  const way = wayTo(path, '/');
  const open = way.isComplete ? way.steps.find(isOpen) : undefined;
  return open && refusal('anyone', open.path);
}
