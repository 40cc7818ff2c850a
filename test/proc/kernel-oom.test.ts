import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { percpu } from '../support/built.js';
import { TestCgroup, whyNoCgroup } from '../support/memory-cgroup.js';
import { randomIntegers, testSeed } from '../support/random.js';

const ROUNDS = 20;
const MiB = 2 ** 20;
/** What the group may take beyond what it holds when the prediction is made. */
const HEADROOM_BYTES = 8 * MiB;
const STEP_BYTES = 4 * MiB;
/** More than the process that runs past the limit grows meanwhile, and than approximate figures are off here. */
const LEAD_PAGES = (32 * MiB) / 4096;

const reason = whyNoCgroup();
const hogFile = fileURLToPath(new URL('../support/memory-hog.mjs', import.meta.url));

interface Hog {
  child: ChildProcess;
  pid: number;
  /** @returns false where the process was killed instead. */
  grow(bytes: number): Promise<boolean>;
}

const started: ChildProcess[] = [];
const groups: TestCgroup[] = [];

async function startHog(group: TestCgroup, oomScoreAdj: number): Promise<Hog> {
  const child = fork(hogFile, { stdio: 'ignore', execArgv: ['--max-semi-space-size=1'] });
  started.push(child);
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

async function endAll(): Promise<void> {
  const running = started.splice(0).filter((child) => child.exitCode === null && child.signalCode === null);
  const ended = running.map((child) => once(child, 'exit'));
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(ended);
  // The kernel lets go of a group's last process a little after its parent has heard of the end.
  for (const group of groups.splice(0)) {
    for (let attempt = 0; ; attempt++) {
      try {
        group.remove();
        break;
      } catch (error) {
        if (attempt === 100) throw error;
        await sleep(20);
      }
    }
  }
}

/** Grows the one that is ahead until nothing that happens on the way to the limit can change the order. */
async function predict(group: TestCgroup, hogs: Hog[]) {
  for (;;) {
    group.limitBytes = Math.ceil((group.usageBytes + HEADROOM_BYTES) / 65536) * 65536;
    const prediction = await percpu.predictVictim({ cgroup: group.path });
    const [first, second] = prediction.ranking;
    if (first!.badness - second!.badness > LEAD_PAGES) return prediction;
    group.limitBytes = 2 ** 40;
    await hogs.find(({ pid }) => pid === first!.pid)!.grow(STEP_BYTES);
  }
}

/**
 * @returns the pid of the kernel's first choice in a group by its own log: it may kill another one while the first is still
 *   giving back its memory. undefined where the log cannot be read.
 */
function firstChoiceInLog(group: TestCgroup): number | undefined {
  try {
    const log = execFileSync('dmesg', { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'ignore'] });
    const line = log.split('\n').find((text) => text.includes(`oom_memcg=/${basename(group.path)},`));
    const pid = /,pid=(\d+),/.exec(line ?? '')?.[1];
    return pid === undefined ? undefined : Number(pid);
  } catch {
    return undefined;
  }
}

/** @returns the pid the kernel's OOM killer has taken, once a process of the group runs past the limit. */
async function letTheKernelChoose(group: TestCgroup, hogs: Hog[], trigger: Hog): Promise<number> {
  let firstToEnd: number | undefined;
  for (const { child, pid } of hogs) {
    child.once('exit', (_, signal) => {
      expect(signal).toBe('SIGKILL');
      firstToEnd ??= pid;
    });
  }
  for (let grown = 0; firstToEnd === undefined; grown += STEP_BYTES) {
    expect(grown).toBeLessThan(4 * HEADROOM_BYTES);
    await trigger.grow(STEP_BYTES);
    await sleep(5);
  }
  return firstChoiceInLog(group) ?? firstToEnd;
}

async function round(name: string, below: (limit: number) => number) {
  const group = new TestCgroup(name);
  groups.push(group);
  const count = 5 + below(4);
  const hogs = await Promise.all(
    Array.from({ length: count }, () => startHog(group, below(2) === 0 ? 0 : below(1001))),
  );
  await Promise.all(hogs.map((hog) => hog.grow((4 + below(150)) * MiB)));
  const prediction = await predict(group, hogs);
  const trigger = hogs[below(count)]!;
  const killed = await letTheKernelChoose(group, hogs, trigger);
  await endAll();
  return { predicted: prediction.victim?.pid, killed, prediction, count };
}

afterEach(endAll);

describe.skipIf(reason)(`the kernel's own OOM killer in a memory control group${reason ? ` (${reason})` : ''}`, () => {
  it(`takes the predicted process in ${ROUNDS} of ${ROUNDS} rounds (SEED=${testSeed})`, async () => {
    const below = randomIntegers(testSeed);
    const outcomes = [];
    for (let i = 0; i < ROUNDS; i++) {
      const outcome = await round(`percpu-oom-${process.pid}-${i}`, below);
      expect(outcome.prediction.certain).toBe(true);
      expect(outcome.prediction.ranking).toHaveLength(outcome.count);
      outcomes.push(outcome);
    }
    expect(outcomes.map(({ predicted }) => predicted)).toEqual(outcomes.map(({ killed }) => killed));
  }, 240_000);
});
