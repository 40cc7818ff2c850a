import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TestCgroup } from './memory-cgroup.js';

const hogFile = fileURLToPath(new URL('./memory-hog.mjs', import.meta.url));

/** A process that holds as much memory as it is told. */
export interface Hog {
  child: ChildProcess;
  pid: number;
  /** @returns false where the process was killed instead. */
  grow(bytes: number): Promise<boolean>;
}

/** Processes in control groups, for the kernel to choose among. */
export class Hogs {
  readonly #started: ChildProcess[] = [];
  readonly #groups: TestCgroup[] = [];

  /** Notes a group that `endAll` removes. Groups inside others come after them. */
  keep(group: TestCgroup): TestCgroup {
    this.#groups.push(group);
    return group;
  }

  async start(group: TestCgroup, oomScoreAdj: number): Promise<Hog> {
    const child = fork(hogFile, { stdio: 'ignore', execArgv: ['--max-semi-space-size=1'] });
    this.#started.push(child);
    child.on('error', () => {});
    // Each step of growing waits for an answer or the end.
    child.setMaxListeners(0);
    await once(child, 'message');
    const pid = child.pid!;
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(oomScoreAdj));
    group.add(pid);
    return {
      child,
      pid,
      async grow(bytes) {
        if (!child.connected) return false;
        child.send(bytes);
        return Promise.race([once(child, 'message').then(() => true), once(child, 'exit').then(() => false)]);
      },
    };
  }

  async endAll(): Promise<void> {
    const running = this.#started.splice(0).filter((child) => child.exitCode === null && child.signalCode === null);
    const ended = running.map((child) => once(child, 'exit'));
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(ended);
    for (const group of this.#groups.splice(0).reverse()) await group.removeSoon();
  }
}

/** @returns the lines of the kernel's log that hold a text, oldest first; undefined where the log cannot be read. */
export function kernelLog(text: string): string[] | undefined {
  try {
    const log = execFileSync('dmesg', { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'ignore'] });
    return log.split('\n').filter((line) => line.includes(text));
  } catch {
    return undefined;
  }
}
