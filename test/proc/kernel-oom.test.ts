import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
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

/** The kernel's own log of what it has killed, oldest first; undefined where it cannot be read. */
function killsInLog(): string[] | undefined {
  try {
    const log = execFileSync('dmesg', { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'ignore'] });
    return log.split('\n').filter((line) => line.includes('Killed process '));
  } catch {
    return undefined;
  }
}

/**
 * @returns the pids the kernel's OOM killer has taken once a process of the group ran past the limit, its first choice first
 *   where the log tells: it may kill another one while the first is still giving back its memory.
 */
async function letTheKernelChoose(hogs: Hog[], trigger: Hog): Promise<number[]> {
  const ended: number[] = [];
  for (const { child, pid } of hogs) {
    child.once('exit', (_, signal) => {
      expect(signal).toBe('SIGKILL');
      ended.push(pid);
    });
  }
  const lastBefore = killsInLog()?.at(-1);
  for (let grown = 0; ended.length === 0; grown += STEP_BYTES) {
    expect(grown).toBeLessThan(4 * HEADROOM_BYTES);
    await trigger.grow(STEP_BYTES);
    await sleep(5);
  }
  const log = killsInLog() ?? [];
  const since = log.slice(lastBefore === undefined ? 0 : log.lastIndexOf(lastBefore) + 1);
  const logged = since.map((line) => Number(/Killed process (\d+)/.exec(line)?.[1]));
  const own = logged.filter((pid) => hogs.some((hog) => hog.pid === pid));
  return own.length > 0 ? own : ended;
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
  const ended = await letTheKernelChoose(hogs, trigger);
  const predicted = prediction.victim?.pid;
  // Without the log, all that is known of several is that the first choice is among them.
  const killed = killsInLog() === undefined ? ended.find((pid) => pid === predicted) : ended[0];
  await endAll();
  return { predicted, killed, prediction, count };
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
