// Counters that native threads and workers add to on all CPUs, and what the package makes of the machine's CPUs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { CounterArena, CounterTree, getAffinity, PinnedWorker, runOnCpus, topology } from 'percpu';
import { say } from './report.mjs';

const ADDS_PER_THREAD = 20_000;
const ADDS_PER_WORKER = 50_000;

function checkBounds(counter, truth) {
  assert.equal(counter.preciseSum(), truth);
  const { min, max } = counter.bounds();
  assert.ok(min <= truth && truth <= max, `tight bounds: ${min} <= ${truth} <= ${max}`);
  const { under, over } = counter.accuracy;
  const approximate = counter.approximateSum();
  assert.ok(approximate - over <= truth && truth <= approximate + under, `documented bounds of ${approximate}`);
}

/** The lowest and the highest, the ones around word borders of CPU masks, and one in between. */
function someCpus(cpus) {
  const wanted = [cpus[0], 63, 64, cpus[Math.floor(cpus.length / 2)], cpus.at(-1)];
  return [...new Set(wanted.filter((cpu) => cpus.includes(cpu)))];
}

export function testTopology(expected) {
  test('topology() is what the machine was given', () => {
    const { possible, online, allowed, nodes, cpus } = topology();
    assert.deepEqual(online, expected.online);
    assert.deepEqual(allowed, expected.online);
    assert.equal(possible.length, expected.possible);
    assert.equal(nodes.length, expected.nodes);
    assert.deepEqual(
      nodes.flatMap((node) => node.cpus).sort((a, b) => a - b),
      expected.online,
    );
    assert.deepEqual(
      cpus.map(({ id }) => id),
      expected.online,
    );
    assert.equal(new Set(cpus.map((cpu) => cpu.package)).size, expected.packages);
    const cores = new Set(cpus.map((cpu) => `${cpu.package} ${cpu.core}`));
    assert.equal(expected.online.length / cores.size, expected.threadsPerCore);
    say(
      `topology: ${online.length} of ${possible.length} CPUs online, ${expected.packages} packages, ${nodes.length} nodes`,
    );
  });
}

export function testCounters() {
  test('native threads and workers, each on its CPU, lose nothing', async () => {
    const cpus = getAffinity();
    const counter = new CounterTree();
    assert.equal(CounterArena.default.cpuSource, 'rseq');
    const workers = someCpus(cpus).map((cpu) => {
      const workerData = { shared: counter.share(), adds: ADDS_PER_WORKER };
      const worker = new PinnedWorker(new URL('./worker.mjs', import.meta.url), { cpu, workerData });
      return once(worker, 'message').then(([message]) => ({ cpu, ...message }));
    });
    const runs = await runOnCpus({ counter, iterations: ADDS_PER_THREAD });
    assert.deepEqual(
      runs.map(({ cpu, startCpu, endCpu, iterations }) => ({ cpu, startCpu, endCpu, iterations })),
      cpus.map((cpu) => ({ cpu, startCpu: cpu, endCpu: cpu, iterations: ADDS_PER_THREAD })),
    );
    for (const { cpu, allowed, seen } of await Promise.all(workers)) {
      assert.deepEqual(allowed, [cpu]);
      assert.deepEqual(seen, [cpu]);
    }
    const truth = cpus.length * ADDS_PER_THREAD + workers.length * ADDS_PER_WORKER;
    checkBounds(counter, truth);
    say(`counters: ${cpus.length} native threads and ${workers.length} workers, ${truth} adds, none lost`);
  });

  test('adds that cancel out over all CPUs leave nothing, whoever carried', async () => {
    const counter = new CounterTree({ batchSize: 2 });
    const cpus = getAffinity();
    for (const cpu of cpus) counter.addOn(cpu, 3);
    await runOnCpus({ counter, delta: -1, iterations: 3 });
    checkBounds(counter, 0);
  });
}
