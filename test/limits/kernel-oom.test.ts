import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { percpu } from '../support/built.js';
import { type Hog, Hogs, kernelLog } from '../support/hogs.js';
import { TestCgroup, whyNoCgroup } from '../support/memory-cgroup.js';
import { randomIntegers, testSeed } from '../support/random.js';
import { describeUnless } from '../support/skip.js';

const ROUNDS = 20;
const MiB = 2 ** 20;
/** What the group may take beyond what it holds when the prediction is made. */
const HEADROOM_BYTES = 8 * MiB;
const STEP_BYTES = 4 * MiB;
/** More than the process that runs past the limit grows meanwhile, and than approximate figures are off here. */
const LEAD_PAGES = (32 * MiB) / 4096;

const reason = whyNoCgroup();
const hogs = new Hogs();

/** Grows the one that is ahead until nothing that happens on the way to the limit can change the order. */
async function predict(group: TestCgroup, members: Hog[]) {
  for (;;) {
    group.limitBytes = Math.ceil((group.usageBytes + HEADROOM_BYTES) / 65536) * 65536;
    const prediction = await percpu.predictVictim({ cgroup: group.path });
    const [first, second] = prediction.ranking;
    if (first!.badness - second!.badness > LEAD_PAGES) return prediction;
    group.limitBytes = 2 ** 40;
    await members.find(({ pid }) => pid === first!.pid)!.grow(STEP_BYTES);
  }
}

const KILLED = 'Killed process ';

/**
 * @returns the pids the kernel's OOM killer has taken once a process of the group ran past the limit, its first choice first
 *   where the log tells: it may kill another one while the first is still giving back its memory.
 */
async function letTheKernelChoose(members: Hog[], trigger: Hog): Promise<number[]> {
  const ended: number[] = [];
  for (const { child, pid } of members) {
    child.once('exit', (_, signal) => {
      expect(signal).toBe('SIGKILL');
      ended.push(pid);
    });
  }
  const lastBefore = kernelLog(KILLED)?.at(-1);
  for (let grown = 0; ended.length === 0; grown += STEP_BYTES) {
    expect(grown).toBeLessThan(4 * HEADROOM_BYTES);
    await trigger.grow(STEP_BYTES);
    await sleep(5);
  }
  const log = kernelLog(KILLED) ?? [];
  const since = log.slice(lastBefore === undefined ? 0 : log.lastIndexOf(lastBefore) + 1);
  const logged = since.map((line) => Number(/Killed process (\d+)/.exec(line)?.[1]));
  const own = logged.filter((pid) => members.some((hog) => hog.pid === pid));
  return own.length > 0 ? own : ended;
}

async function round(name: string, below: (limit: number) => number) {
  const group = hogs.keep(new TestCgroup(name));
  const count = 5 + below(4);
  const members = await Promise.all(
    Array.from({ length: count }, () => hogs.start(group, below(2) === 0 ? 0 : below(1001))),
  );
  await Promise.all(members.map((hog) => hog.grow((4 + below(150)) * MiB)));
  const prediction = await predict(group, members);
  const trigger = members[below(count)]!;
  const ended = await letTheKernelChoose(members, trigger);
  const predicted = prediction.victim?.pid;
  // Without the log, all that is known of several is that the first choice is among them.
  const killed = kernelLog(KILLED) === undefined ? ended.find((pid) => pid === predicted) : ended[0];
  await hogs.endAll();
  return { predicted, killed, prediction, count };
}

afterEach(() => hogs.endAll());

describeUnless(reason ?? '')("the kernel's own OOM killer in a memory control group", () => {
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
