import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { codeOf } from '../errors.js';

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;
/** In such a folder an entry is its owner's to rename and remove: /tmp. */
const STICKY = 0o1000;

/** As many as the kernel follows; path_resolution(7). */
const MOST_LINKS = 40;

/** One part of the way to a file: a folder, a link, or the file itself. */
interface Step {
  path: string;
  stat: Stats;
}

/** Where a runtime that restricts access does not let us look, there is nothing to see; what is missing ends the way. */
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
 * @returns what the system passes from that folder on, both ends included and links followed; path_resolution(7).
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

/** Whether a path is this folder's or below it. */
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

/** Users and groups whose writing changes nothing: they can make this program do what they like anyway. */
interface Trusted {
  users: Set<number>;
  groups: Set<number>;
}

/**
 * Root and this user; their private groups, which have their user's number and nobody else in them: with umask 002, as
 * distributions set it for such users, everything is writable for the group. Then everybody who may write the running code
 * itself, `code` being the way to it: an application's files often belong to another user than the one that runs it.
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

/** @returns who, besides those who are trusted, may change what is at this step; undefined for nobody. */
function strangerAt({ stat }: Step, { users, groups }: Trusted): string | undefined {
  if (!users.has(stat.uid)) return `user ${stat.uid}`;
  if (stat.isSymbolicLink()) return undefined;
  if ((stat.mode & OTHERS_WRITE) !== 0) return 'anyone';
  return (stat.mode & GROUP_WRITES) !== 0 && !groups.has(stat.gid) ? `group ${stat.gid}` : undefined;
}

const refusal = (who: string, path: string) => `refused: ${who} may write '${path}'`;

/**
 * Whether others could put code of theirs at a path where this program is about to load some.
 *
 * Looked at are the file, each folder from the package's own on, and those above it that the running code does not have above
 * itself: who may write one of the latter may replace that code as well. With nobody else able to write any of them, nothing
 * can change between this look and the loading, though both go by the path. In sticky folders above the package's only the
 * owners of the entries can, which are looked at in turn.
 *
 * Not seen: access control lists that give a private group's rights to others.
 *
 * @param packageFolder a folder above `path`.
 * @param code the file of the running code.
 * @returns why not to load it; undefined where nobody else may write, or no such file is there.
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

/**
 * The same for a path that the user has chosen: whose file it is, is theirs to decide. What anyone may write, nobody has
 * decided about.
 */
export function anyonesReason(path: string): string | undefined {
  const isOpen = ({ stat }: Step) => (stat.mode & OTHERS_WRITE) !== 0 && !stat.isSymbolicLink() && !isSticky(stat);
  const way = wayTo(path, '/');
  const open = way.isComplete ? way.steps.find(isOpen) : undefined;
  return open && refusal('anyone', open.path);
}
