// The kernel's own OOM killer in a control group of version 2, among processes whose approximate order is not the true one.
import assert from 'node:assert/strict';
import { closeSync, constants, mkdirSync, openSync, readFileSync, readSync, rmdirSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { getAffinity, predictVictim, rssAccounting } from 'percpu';
import { Hopper } from './hopper.mjs';
import { MiB, say } from './report.mjs';
import { perCpu } from './rss.mjs';

const GROUP = '/sys/fs/cgroup/manycore-oom';
const PAGE = 4096;

/** Twelve processes. `unit`: pages that hopping over all CPUs can hide from a fast read. */
async function startCrowd(unit, cpu) {
  const crowd = await Promise.all(Array.from({ length: 12 }, () => Hopper.start()));
  for (const { pid } of crowd) writeFileSync(`${GROUP}/cgroup.procs`, String(pid));
  const [hidden, phantom, ...honest] = crowd;
  // The largest of all, which a fast read hardly sees.
  await hidden.tell(`touch all ${perCpu}`);
  // One of the smallest, which a fast read takes for the largest.
  await phantom.tell(`touch ${cpu} ${unit + Math.floor(unit / 10)}`);
  await phantom.tell('free all 0');
  await phantom.tell(`touch ${cpu} ${Math.floor(unit / 20)}`);
  for (const [index, hopper] of honest.entries()) {
    await hopper.tell(`touch ${cpu} ${Math.floor((unit * (index + 1)) / 20)}`);
  }
  return { crowd, hidden, phantom };
}

/** Whom the kernel's log says it has killed, first to last: dev-kmsg of the kernel's ABI documentation, one record a read. */
function killsInLog() {
  const log = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  const record = Buffer.alloc(8192);
  const pids = [];
  try {
    for (;;) {
      const text = record.toString('latin1', 0, readSync(log, record));
      const [, pid] = /Killed process (\d+)/.exec(text) ?? [];
      if (pid) pids.push(Number(pid));
    }
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
    return pids;
  } finally {
    closeSync(log);
  }
}

/**
 * Takes more and more in the group until the kernel has killed somebody.
 *
 * @returns the pid it took first: while that one is giving back its memory, which takes its time here, it may take another,
 *   and that one may end before.
 */
async function runPastTheLimit(crowd, trigger, step) {
  for (let attempt = 0; attempt < 60; attempt++) {
    await Promise.race([trigger.tell(`touch ${getAffinity()[0]} ${step}`), sleep(5_000)]);
    await sleep(100);
    if (crowd.some(({ hasEnded }) => hasEnded)) break;
  }
  return killsInLog().find((killed) => crowd.some(({ pid }) => pid === killed));
}

export function testOom(expected) {
  test('the prediction and the kernel agree', async (t) => {
    writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', '+memory');
    mkdirSync(GROUP);
    const cpu = getAffinity()[0];
    const unit = perCpu * getAffinity().length;
    const { crowd, hidden, phantom } = await startCrowd(unit, cpu);
    t.after(async () => {
      await Promise.all(crowd.map((hopper) => hopper.end()));
      await sleep(500);
      rmdirSync(GROUP);
    });
    const truth = new Map(crowd.map((hopper) => [hopper.pid, hopper.figures().truth]));
    const usage = Number(readFileSync(`${GROUP}/memory.current`, 'latin1'));
    const headroom = Math.floor(unit / 40) * PAGE;
    writeFileSync(`${GROUP}/memory.max`, String(usage + headroom));

    const { victim, approximateVictim, certain, ranking } = await predictVictim({ cgroup: GROUP });
    assert.equal(certain, true);
    assert.equal(ranking.length, crowd.length);
    assert.equal(victim.pid, hidden.pid, 'the largest by the page tables');
    assert.equal(victim.precise, truth.get(hidden.pid) * PAGE);
    if (rssAccounting().model === 'flat-percpu') assert.equal(approximateVictim, phantom.pid, 'the largest by stat');

    const pid = await runPastTheLimit(crowd, crowd[2], Math.max(8, Math.floor(unit / 160)));
    assert.ok(pid !== undefined, 'the kernel has killed nobody');
    const used = pid === victim.pid ? 'precise' : pid === approximateVictim ? 'approximate' : 'neither';
    say(
      `OOM: predicted PID ${victim.pid} (${MiB(truth.get(victim.pid))}), by approximate figures PID ${approximateVictim} ` +
        `(${MiB(truth.get(approximateVictim))}); the kernel took PID ${pid}: its badness is ${used}`,
    );
    const figures = victim.pid === approximateVictim ? 'precise' : expected.badness;
    assert.equal(used, figures);
  });
}
