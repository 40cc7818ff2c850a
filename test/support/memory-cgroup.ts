import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

/** A memory control group of version 1 or 2, made for a test. */
export class TestCgroup {
  readonly path: string;
  /** As the kernel prints it: below the mount. */
  readonly name: string;
  readonly #isV1: boolean;

  /** @param name may lie in groups made before: `outer/inner`. */
  constructor(name: string) {
    this.#isV1 = existsSync(join(V1, 'memory.limit_in_bytes'));
    if (!this.#isV1) writeFileSync(join(V2, 'cgroup.subtree_control'), '+memory');
    this.path = join(this.#isV1 ? V1 : V2, name);
    mkdirSync(this.path);
    this.name = `/${name}`;
  }

  add(pid: number): void {
    writeFileSync(join(this.path, 'cgroup.procs'), String(pid));
  }

  get usageBytes(): number {
    return Number(readFileSync(join(this.path, this.#isV1 ? 'memory.usage_in_bytes' : 'memory.current'), 'latin1'));
  }

  /** How many processes of this group the kernel has killed for want of memory; version 2: of those below it as well. */
  get oomKills(): number {
    const text = readFileSync(join(this.path, this.#isV1 ? 'memory.oom_control' : 'memory.events'), 'latin1');
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1]);
  }

  set limitBytes(bytes: number) {
    writeFileSync(join(this.path, this.#isV1 ? 'memory.limit_in_bytes' : 'memory.max'), String(bytes));
  }

  noLimit(): void {
    writeFileSync(join(this.path, this.#isV1 ? 'memory.limit_in_bytes' : 'memory.max'), this.#isV1 ? '-1' : 'max');
  }

  /** The processes in it must have ended. */
  remove(): void {
    rmdirSync(this.path);
  }

  /** Where they may be ending: the kernel lets go of the last process a little after its parent has heard of the end. */
  async removeSoon(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        this.remove();
        return;
      } catch (error) {
        if (attempt === 100) throw error;
        await sleep(20);
      }
    }
  }
}

/** @returns why no memory control group can be made here; undefined where it can. */
export function whyNoCgroup(): string | undefined {
  if (process.platform !== 'linux') return 'no control groups on this platform';
  if (process.getuid?.() !== 0) return 'control groups are for root to make';
  try {
    new TestCgroup(`percpu-probe-${process.pid}`).remove();
    return undefined;
  } catch (error) {
    return `no memory control group can be made: ${(error as Error).message}`;
  }
}
