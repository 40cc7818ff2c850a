// What counting costs, as ratios of things measured in the same run.
import Table from 'cli-table3';
import { environmentLine, readCommandLine, showProgress, wholeNumber } from './command-line.mjs';
import { environment } from './environment.mjs';
import { runVariants } from './fresh-process.mjs';
import { median, medianRatio } from './sampling.mjs';

const COMPARISONS = [
  { what: 'counter.add(1) / Atomics.add(Int32Array)', of: 'counter-add', to: 'atomics-add', target: 0.65 },
  {
    what: 'the same, two workers on one counter / on one word',
    of: 'counter-add-2-workers',
    to: 'atomics-add-2-workers',
    target: 0.6,
  },
  { what: 'native pinned add / bare atomic add', of: 'native-tree', to: 'native-private-atomic', target: 1.6 },
  { what: 'native rseq add / bare atomic add', of: 'native-rseq', to: 'native-private-atomic' },
  {
    what: 'approximateSum() at 256 CPUs / at 2 CPUs',
    of: 'approximate-sum-256',
    to: 'approximate-sum-2',
    target: 1.1,
  },
];

const PRECISE_SUM = { what: 'preciseSum() at 256 CPUs, ns per leaf', of: 'precise-sum-256', leaves: 256, target: 2 };

const { rounds, json } = readCommandLine('bench:counters', 'What counting costs, in ratios of one run.', [
  ['--rounds <N>', 'fresh processes per figure, whose median counts', wholeNumber(), 7],
]);

const names = [...new Set([...COMPARISONS.flatMap(({ of, to }) => [of, to]), PRECISE_SUM.of])];
const times = await runVariants(names, rounds, (done, all) => {
  showProgress(done < all ? `${done} of ${all} processes` : '');
});

const rows = [
  ...COMPARISONS.map(({ what, of, to, target }) => ({
    what,
    result: medianRatio(times[of], times[to]),
    target,
    nanoseconds: [median(times[of]), median(times[to])],
  })),
  {
    what: PRECISE_SUM.what,
    result: median(times[PRECISE_SUM.of]) / PRECISE_SUM.leaves,
    target: PRECISE_SUM.target,
    nanoseconds: [median(times[PRECISE_SUM.of])],
  },
];

if (json) {
  console.log(JSON.stringify({ environment: environment(), rounds, rows, nanosecondsPerOperation: times }, null, 2));
} else {
  console.log(`${environmentLine()}; medians of ${rounds} rounds of fresh processes`);
  const table = new Table({ head: ['what', 'measured', 'target', 'ns'], style: { head: [], border: [] } });
  for (const { what, result, target, nanoseconds } of rows) {
    const goal = target === undefined ? '' : `<= ${target}  ${result <= target ? 'reached' : 'missed'}`;
    table.push([what, result.toFixed(2), goal, nanoseconds.map((ns) => ns.toFixed(1)).join(' / ')]);
  }
  console.log(table.toString());
}
