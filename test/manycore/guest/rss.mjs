// What this kernel's fast figures hide, and what the package says instead.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { getAffinity, RssGuard, readRss, rss, rssAccounting, scanRss, withAffinity } from 'percpu';
import { Hopper } from './hopper.mjs';
import { MiB, say } from './report.mjs';

const PAGE = 4096;

/** What a CPU may hold back on kernels from 6.2 on, and fewer pages than that. */
export const batch = Math.max(32, 2 * getAffinity().length);
export const perCpu = Math.floor(0.8 * batch);

/** All that is known of one process at this moment holds together. */
function checkReading(hopper) {
  const { stat, truth } = hopper.figures();
  const reading = readRss(hopper.pid);
  assert.equal(rss(hopper.pid), truth * PAGE);
  assert.equal(reading.precise, truth * PAGE);
  assert.equal(reading.approximate, stat * PAGE);
  assert.ok(reading.min <= reading.precise && reading.precise <= reading.max, JSON.stringify(reading));
  return { stat, truth };
}

/** How this kernel counts, by what a process that hopped over all CPUs shows: no model, no version number. */
async function observeAccounting() {
  const hopper = await Hopper.start();
  await hopper.tell(`touch all ${perCpu}`);
  const { stat, statm, truth } = hopper.figures();
  await hopper.end();
  return { hidden: truth - stat, statmPrecise: statm === truth, held: perCpu * getAffinity().length };
}

export function testRss() {
  test('rssAccounting() is what a process that hops over all CPUs shows', async () => {
    const { hidden, statmPrecise, held } = await observeAccounting();
    const accounting = rssAccounting();
    const isFlat = hidden > held / 2;
    assert.deepEqual(
      { model: accounting.model, statmPrecise: accounting.statmPrecise, batch: accounting.batch },
      isFlat ? { model: 'flat-percpu', statmPrecise, batch } : { model: 'per-thread', statmPrecise: false, batch: 64 },
    );
    assert.equal(accounting.note, '');
    say(
      `accounting: ${accounting.model}, batch ${accounting.batch}, statm ${statmPrecise ? 'precise' : 'approximate'}`,
    );
  });

  test('a process in C++: figures exact and bounds hold, growing, hopping and shrinking', async () => {
    const hopper = await Hopper.start();
    const cpus = getAffinity();
    checkReading(hopper);
    await hopper.tell(`touch all ${perCpu}`);
    const grown = checkReading(hopper);
    await hopper.tell(`free all 0`);
    checkReading(hopper);
    for (const cpu of [cpus[0], cpus.at(-1)]) {
      await hopper.tell(`touch ${cpu} ${10 * batch + 7}`);
      checkReading(hopper);
    }
    await hopper.tell(`free all 0`);
    const shrunk = checkReading(hopper);
    const [scanned] = await scanRss({ pids: [hopper.pid] });
    assert.deepEqual(scanned, readRss(hopper.pid));
    await hopper.end();
    say(`in C++, grown:   stat ${MiB(grown.stat)}, rss() ${MiB(grown.truth)}, as in the page tables`);
    say(`in C++, shrunk:   stat ${MiB(shrunk.stat)}, rss() ${MiB(shrunk.truth)}, as in the page tables`);
  });

  test('this Node process: rss() is within its own housekeeping of the page tables', () => {
    const cpus = getAffinity();
    const kept = cpus.map((cpu) => withAffinity(cpu, () => Buffer.alloc(perCpu * PAGE, 1)));
    const truth = () => Number(/^Rss: +(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'latin1'))[1]) * 1024;
    rss();
    truth();
    const node = process.memoryUsage.rss();
    const [before, ours, after] = [truth(), rss(), truth()];
    // Asking takes memory itself: a few pages.
    assert.ok(before - 64 * PAGE <= ours && ours <= after + 64 * PAGE, `${before} .. ${ours} .. ${after}`);
    const { min, max } = readRss();
    assert.ok(min <= after + 64 * PAGE && before - 64 * PAGE <= max);
    assert.ok(ours >= kept.length * perCpu * PAGE);
    say(`Node, hopped:    process.memoryUsage.rss() ${MiB(node / PAGE)}, rss() ${MiB(ours / PAGE)}`);
  });

  test('RssGuard keeps still on a phantom, and speaks on the real thing', async (t) => {
    const hopper = await Hopper.start();
    const cpus = getAffinity();
    const pages = perCpu * cpus.length;
    await hopper.tell(`touch ${cpus[0]} ${pages}`);
    await hopper.tell('free all 0');
    const { stat, truth } = hopper.figures();
    if (stat - truth < pages / 2) {
      await hopper.end();
      t.skip(`this kernel makes no phantom of ${MiB(pages)}: stat ${MiB(stat)}, there are ${MiB(truth)}`);
      return;
    }
    const limit = (truth + Math.floor(pages / 4)) * PAGE;
    assert.ok(stat * PAGE > limit, 'whoever reads stat would restart it');
    const guard = new RssGuard({ limit, pid: hopper.pid, intervalMs: 100 });
    const events = [];
    for (const name of ['exceeded', 'recovered', 'gone', 'error']) guard.on(name, () => events.push(name));
    guard.start();
    await sleep(2_000);
    assert.deepEqual(events, []);
    await hopper.tell(`touch ${cpus[0]} ${pages}`);
    for (let waited = 0; events.length === 0 && waited < 100; waited++) await sleep(100);
    assert.deepEqual(events, ['exceeded']);
    guard.stop();
    await hopper.end();
    say(
      `guard of ${MiB(limit / PAGE)}: silent while stat said ${MiB(stat)} of ${MiB(truth)}, fired when there was more`,
    );
  });
}
