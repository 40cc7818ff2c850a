// How far fast reads of a process's RSS are off: the flat per-CPU counter, the scheme before it, and the counter tree, in
// one run over the same events; and the published figures beside.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environmentLine, readCommandLine, showProgress, wholeNumber } from './command-line.mjs';
import { environment } from './environment.mjs';
import { replay, THREADS } from './rss/replay.mjs';
import { machineTable, sweepTable, timeTable } from './rss/tables.mjs';

const MACHINES = [256, 384];
const SWEEP = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
const DOCS_PLOT = fileURLToPath(new URL('../docs/rss-error.svg', import.meta.url));

const DESCRIPTION =
  'How far fast reads of an RSS are off on many CPUs: flat counters, the scheme before them, the tree.';
const options = readCommandLine('bench:rss', DESCRIPTION, [
  ['--seed <N>', 'of the simulated program', wholeNumber(0), 1],
  ['--svg <FILE>', 'also draw the worst error against CPUs'],
  ['--write-docs', 'the same, into docs/rss-error.svg'],
  ['--quick', 'leave out the sweep over numbers of CPUs'],
]);
const { seed } = options;
const plots = [options.svg, options.writeDocs && DOCS_PLOT].filter(Boolean);

const machines = MACHINES.map((cpus) => {
  showProgress(`${cpus} CPUs`);
  return { cpus, runs: ['hoppingService', 'justUnderFlatBatch', 'fullTree'].map((name) => replay(name, cpus, seed)) };
});

/** The worst error of each scheme in the two programs that are not made against one tree. */
function worstErrors(cpus) {
  showProgress(`worst error at ${cpus} CPUs`);
  const known = machines.find((machine) => machine.cpus === cpus)?.runs.slice(0, 2);
  const runs = known ?? ['hoppingService', 'justUnderFlatBatch'].map((name) => replay(name, cpus, seed));
  const worst = (scheme) => Math.max(...runs.map((run) => run[scheme].worst));
  const { bound: tightBound, documentedBound } = runs[0].tree;
  return { cpus, flat: worst('flat'), perThread: worst('perThread'), tree: worst('tree'), tightBound, documentedBound };
}

const sweep = options.quick && plots.length === 0 ? [] : SWEEP.map(worstErrors);
showProgress('');

for (const file of plots) {
  const { plotWorstErrors } = await import('./rss/plot.mjs');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, await plotWorstErrors(sweep));
}

if (options.json) {
  const result = {
    environment: environment(),
    seed,
    threads: THREADS,
    pageBytes: 4096,
    unit: 'pages',
    machines,
    sweep,
  };
  console.log(JSON.stringify(result, null, 2));
} else {
  console.log(environmentLine());
  console.log(`Seed ${seed}. All figures: MiB of 4 KiB pages, one counter of a process with ${THREADS} threads.`);
  for (const machine of machines) {
    console.log(`\n${machine.cpus} CPUs: |approximate - precise|`);
    console.log(machineTable(machine));
  }
  const [service] = machines.at(-1).runs;
  console.log(`\nThe hopping service on ${service.cpus} CPUs over time: approximate - precise`);
  console.log(timeTable(service));
  if (sweep.length > 0) {
    console.log('\nWorst error in the first two programs against CPUs');
    console.log(sweepTable(sweep));
  }
}
