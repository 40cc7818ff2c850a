import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { percpu } from '../support/built.js';
import { TestCgroup, whyNoCgroup } from '../support/memory-cgroup.js';
import { notLinux, withReason } from '../support/skip.js';

const source = fileURLToPath(new URL('../support/vfork-child.c', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'percpu-vfork-'));
const program = join(folder, 'vfork-child');
afterAll(() => rmSync(folder, { recursive: true }));

/** Compiles the program. @returns why there is none; '' where there is. */
function whyNoProgram(): string {
  if (notLinux) return notLinux;
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major < 5 || (major === 5 && minor < 9))
    return `oom_score tells no vfork child before Linux 5.9, this is ${release()}`;
  const { error, status, stderr } = spawnSync('cc', ['-O1', '-o', program, source], { encoding: 'utf8' });
  if (error) return `no C compiler: ${error.message}`;
  return status === 0 ? '' : `cc cannot compile ${source}: ${stderr}`;
}

const reason = whyNoProgram();
const noGroup = whyNoCgroup() ?? '';

let parent: ChildProcess | undefined;
let group: TestCgroup | undefined;
let childPid: number | undefined;

const isThere = (pid: number) => {
  try {
    // A process that was killed is a zombie until its parent, or init, has asked for it.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
};

afterEach(async () => {
  if (childPid !== undefined) process.kill(childPid, 'SIGKILL');
  parent?.kill('SIGKILL');
  if (parent && parent.exitCode === null && parent.signalCode === null) await once(parent, 'exit');
  while (childPid !== undefined && isThere(childPid)) await sleep(5);
  await group?.removeSoon();
  parent = group = childPid = undefined;
});

/** @returns the pids of a parent that waits for its vfork child, and of the child. */
async function startPair(before: (pid: number) => void): Promise<[parent: number, child: number]> {
  // It stops before its first instruction, so that what is done to it holds for both.
  parent = spawn('sh', ['-c', `kill -STOP $$; exec '${program}'`], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = parent.pid!;
  while (!/^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))) await sleep(2);
  before(pid);
  let printed = '';
  parent.stdout!.setEncoding('latin1').on('data', (text: string) => (printed += text));
  process.kill(pid, 'SIGCONT');
  while ((printed.match(/\n/g) ?? []).length < 2) {
    if (parent.exitCode !== null) throw new Error(`the program has ended with ${parent.exitCode}`);
    await sleep(2);
  }
  const [first, second] = printed.trim().split('\n').map(Number);
  expect(first).toBe(pid);
  childPid = second!;
  return [pid, second!];
}

const scoresZero = (pid: number) => readFileSync(`/proc/${pid}/oom_score`, 'latin1') === '0\n';

describe.skipIf(reason)(withReason("a vfork child, which runs in its parent's memory", reason), () => {
  it('is not ranked on the machine, where its parent is', async () => {
    const [pid, child] = await startPair((pid) => writeFileSync(`/proc/${pid}/oom_score_adj`, '900'));
    expect(scoresZero(child)).toBe(true);
    expect(scoresZero(pid)).toBe(false);
    const { victim, approximateVictim, ranking } = await percpu.predictVictim();
    expect(victim?.pid).not.toBe(child);
    expect(approximateVictim).not.toBe(child);
    const ranked = ranking.map((process) => process.pid);
    expect(ranked).toContain(pid);
    expect(ranked).not.toContain(child);
  });

  it.skipIf(noGroup)(withReason('leaves its parent to be the victim in a group of the two', noGroup), async () => {
    group = new TestCgroup(`percpu-vfork-${process.pid}`);
    group.limitBytes = 512 * 2 ** 20;
    const [pid, child] = await startPair((pid) => group!.add(pid));
    expect(child).not.toBe(pid);
    const { victim, approximateVictim, ranking, certain } = await percpu.predictVictim({ cgroup: group.path });
    expect(ranking.map((process) => process.pid)).toEqual([pid]);
    expect({ victim: victim?.pid, approximateVictim, certain }).toEqual({
      victim: pid,
      approximateVictim: pid,
      certain: true,
    });
    expect(victim!.precise).toBeGreaterThan(60 * 2 ** 20);
  });
});
