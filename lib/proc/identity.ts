import { closeSync, readSync } from 'node:fs';
import { openRegularFile, readTreeFile } from '../regular-file.js';
import { BootTime, TICK_MS } from './boot-time.js';
import { groupNames } from './cgroup-file.js';
import { parseParent, parseStat, parseUid } from './files/proc-text.js';
import type { ProcessFiles } from './files/process-row.js';
import type { ProcTree } from './proc-tree.js';
import { serviceOf } from './service-name.js';
import { userName } from './user-names.js';

/** Who a process is. */
export interface ProcessIdentity {
  /** Its parent when this was read; 0 for the first of a pid namespace. */
  ppid: number;
  /** When it started, in ms since the epoch by the clock as it is set now, to the second. */
  startedAt: number;
  /** Real user id; -1 where it cannot be read. */
  uid: number;
  /** The user's name by /etc/passwd; null where that has none, and in a proc tree of another machine. */
  user: string | null;
  threads: number;
  /** The arguments, the program's first, as the process has them now: any characters. Empty for kernel threads and zombies. */
  command: string[];
  /** Name of the control group below its mount, the one with memory accounting if there are several; `/` is the root. */
  cgroup: string | null;
  /**
   * The systemd unit, container or pod that the control group's path names: `nginx.service`, `docker:ID`, `pod/UID/CONTAINER`. Who
   * may make control groups chooses such a path.
   */
  service: string | null;
}

/** What does not change while a process lives, unless it executes another program. */
interface Lasting {
  startTicks: number;
  /** The command name, which changes when another program is executed. */
  name: string;
  ppid: number;
  uid: number;
  command: string[];
  cgroup: string | null;
  service: string | null;
}

/** More than this of a command line is left out. */
const COMMAND_BYTES = 128 << 10;
const buffer = Buffer.allocUnsafeSlow(COMMAND_BYTES);

/**
 * @param text the content of /proc/PID/cmdline: arguments that end in NUL, or whatever the process has written over them.
 */
export function parseCommand(text: string): string[] {
  if (text === '') return [];
  return (text.endsWith('\0') ? text.slice(0, -1) : text).split('\0');
}

/** @returns [] for what cannot be read. */
function readCommand(directory: string): string[] {
  let descriptor: number | undefined;
  try {
    descriptor = openRegularFile(`${directory}/cmdline`);
    return parseCommand(buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, COMMAND_BYTES, 0)));
  } catch {
    return [];
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function readLasting(root: string, { pid, name, startTicks }: ProcessFiles): Lasting | undefined {
  const directory = `${root}/${pid}`;
  const groups = groupNames(readTreeFile(`${directory}/cgroup`, 'utf8') ?? '');
  const command = readCommand(directory);
  const uid = parseUid(readTreeFile(`${directory}/status`) ?? '') ?? -1;
  // Last: that it still tells the same start shows that the others were of this process.
  const stat = readTreeFile(`${directory}/stat`) ?? '';
  if (parseStat(stat)?.startTicks !== startTicks) return undefined;
  const service = groups.map(serviceOf).find((found) => found !== null) ?? null;
  return { startTicks, name, ppid: parseParent(stat) ?? 0, uid, command, cgroup: groups[0] ?? null, service };
}

/**
 * Reads who processes are, once each. A process is known by its pid and its start: one that got a used pid is another one. It is
 * read again when its command name changes, which executing another program does.
 */
export class Identities {
  readonly #tree: ProcTree;
  readonly #boot: BootTime;
  #known = new Map<number, Lasting>();

  constructor(tree: ProcTree) {
    this.#tree = tree;
    this.#boot = new BootTime(tree.root);
  }

  /** @returns undefined where the process has ended. */
  of(files: ProcessFiles): ProcessIdentity | undefined {
    let lasting = this.#known.get(files.pid);
    if (lasting?.startTicks !== files.startTicks || lasting.name !== files.name) {
      lasting = readLasting(this.#tree.root, files);
      if (!lasting) return undefined;
      this.#known.set(files.pid, lasting);
    }
    const { ppid, uid, command, cgroup, service } = lasting;
    return {
      ppid,
      startedAt: this.#boot.ms() + files.startTicks * TICK_MS,
      uid,
      user: this.#tree.isThisMachine ? userName(uid) : null,
      threads: files.threads,
      command,
      cgroup,
      service,
    };
  }

  /** Forgets all but these. */
  keep(rows: readonly ProcessFiles[]): void {
    if (this.#known.size <= rows.length) return;
    const known = new Map<number, Lasting>();
    for (const { pid } of rows) {
      const lasting = this.#known.get(pid);
      if (lasting) known.set(pid, lasting);
    }
    this.#known = known;
  }
}
