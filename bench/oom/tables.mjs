// The results as tables for people.
import Table from 'cli-table3';
import { mib } from '../command-line.mjs';

const style = { head: [], border: [], compact: true };

/** `select_bad_process()` on 256 CPUs. Source: the cover letters of the series "Improve proc RSS accuracy". */
const PUBLISHED = [
  { tasks: 40, precise: 0.5, kernel: 0.3 },
  { tasks: 10_000, precise: 80.0, approximate: 3.0, kernel: 7.9 },
];

/** At 10,000 tasks, where one task stands out. */
const TARGET_TASKS = 10_000;
const TARGETS = { 'precise/exact': { least: 10 }, 'exact/approximate': { most: 1.5 } };

const milliseconds = (ns) => (ns / 1e6).toFixed(ns < 1e6 ? 3 : 2);

function judged(ratio, name, applies) {
  const { least, most } = TARGETS[name];
  const text = ratio.toFixed(2);
  if (!applies) return text;
  const goal = least === undefined ? `<= ${most}` : `>= ${least}`;
  const reached = least === undefined ? ratio <= most : ratio >= least;
  return `${text} (${goal} ${reached ? 'reached' : 'missed'})`;
}

/** Medians in milliseconds, their ratios, and the precise sums made. */
export function latencyTable(rows) {
  const table = new Table({
    head: [
      'population',
      'tasks',
      'precise',
      'approximate',
      'kernel',
      'exact',
      'bare loop',
      'precise/exact',
      'exact/approximate',
      'exact/bare',
      'sums: kernel, exact',
    ],
    style,
    colAligns: ['left', ...Array(10).fill('right')],
  });
  for (const { population, count, nanoseconds: ns, ratios, preciseSums } of rows) {
    const hasTarget = count === TARGET_TASKS && population !== 'alike';
    table.push([
      population,
      count,
      ...['precise', 'approximate', 'kernel', 'exact', 'bareLoop'].map((name) => milliseconds(ns[name])),
      judged(ratios['precise/exact'], 'precise/exact', hasTarget),
      judged(ratios['exact/approximate'], 'exact/approximate', hasTarget),
      ratios['exact/bareLoop'].toFixed(2),
      `${preciseSums.kernel}, ${preciseSums.exact}`,
    ]);
  }
  for (const { tasks, precise, approximate, kernel } of PUBLISHED) {
    table.push([
      'kernel, published',
      tasks,
      precise.toFixed(1),
      approximate?.toFixed(1) ?? '',
      kernel.toFixed(1),
      '',
      '',
      `${(precise / kernel).toFixed(1)} (kernel's)`,
      approximate ? `${(kernel / approximate).toFixed(1)} (kernel's)` : '',
      '',
      '',
    ]);
  }
  return table.toString();
}

const CHOICES = [
  ['flat', 'approximate, flat counters of Linux 6.2'],
  ['approximate', 'approximate'],
  ['kernel', 'kernel'],
  ['exact', 'exact'],
];

/** How often the wrong task is killed, and how many MiB less that frees. */
export function victimTable(populations) {
  const table = new Table({ head: ['population', 'strategy', 'wrong victims', 'MiB missed: mean', 'worst'], style });
  for (const { population, repetitions, choices } of populations) {
    for (const [name, title] of CHOICES) {
      const missed = choices[name];
      const mean = missed.reduce((sum, pages) => sum + pages, 0) / missed.length;
      table.push([
        population,
        title,
        `${missed.length} of ${repetitions}`,
        missed.length > 0 ? mib(mean).toFixed(1) : '',
        missed.length > 0 ? mib(Math.max(...missed)).toFixed(1) : '',
      ]);
    }
  }
  return table.toString();
}

const OPERATIONS = {
  createFresh: 'create, fresh memory',
  forkFresh: 'fork, fresh memory',
  createReused: 'create, memory of destroyed mms',
  forkReused: 'fork, memory of destroyed mms',
  destroyUsed: 'destroy, after a life on all CPUs',
  destroyUnused: 'destroy, never used',
  forkAndExit: 'fork, run on one CPU, destroy',
};

/** The price of one mm. */
export function costTable({ nanoseconds, bytes }) {
  const table = new Table({ head: ['one mm', ''], style });
  for (const [name, title] of Object.entries(OPERATIONS))
    table.push([title, `${(nanoseconds[name] / 1e3).toFixed(1)} us`]);
  table.push(['arena memory', `${bytes.arena} bytes (kernel: 4 x 4,416 = 17,664)`]);
  table.push(['JavaScript heap', `${bytes.heap} bytes`]);
  return table.toString();
}
