// What reading real processes costs, in ratios of things measured in the same run.
import Table from 'cli-table3';
import { environmentLine, readCommandLine, showProgress, wholeNumber } from './command-line.mjs';
import { environment } from './environment.mjs';
import { inFreshProcess } from './fresh-process.mjs';
import { startIdleProcesses } from './proc/idle-processes.mjs';
import { median } from './sampling.mjs';

const COMPARISONS = [
  { name: 'own-rss', what: 'rss() / process.memoryUsage.rss()', target: 0.3 },
  { name: 'own-reading', what: "readRss('self') / process.memoryUsage.rss()", target: 1.6 },
  { name: 'scan-again', what: 'RssScanner.scan() again / pidusage 4, per process', target: 0.4 },
  { name: 'scan-awake', what: 'the same, every process having run meanwhile' },
  { name: 'scan-once', what: 'scanRss() / readFileSync of three files, per process', target: 0.6 },
  { name: 'event-loop', what: 'event-loop delay p99 while scanning / idle', target: 2 },
  { name: 'predict', what: 'predictVictim() / scanRss(), per process', target: 1.5 },
];

const options = readCommandLine('bench:proc', 'What reading real processes costs, among idle ones started for it.', [
  ['--processes <N>', 'idle processes', wholeNumber(), 1_000],
  ['--rounds <N>', 'fresh processes per figure, whose median counts', wholeNumber(), 5],
  ['--seed <N>', 'of the made-up machine', wholeNumber(0), 1],
  ['--only <NAME>', `one of ${COMPARISONS.map(({ name }) => name).join(', ')}`],
]);
const { processes, rounds, seed } = options;
const comparisons = COMPARISONS.filter(({ name }) => options.only === undefined || options.only === name);
if (comparisons.length === 0) {
  process.stderr.write(`error: --only does not know '${options.only}'\n`);
  process.exit(2);
}
const measure = (name, argument) => inFreshProcess(new URL(`proc/${name}.mjs`, import.meta.url), argument);

showProgress(`starting ${processes} processes`);
const { pids, end } = await startIdleProcesses(processes);
const results = Object.fromEntries(comparisons.map(({ name }) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const { name } of comparisons) {
    showProgress(`round ${round + 1} of ${rounds}: ${name}`);
    results[name].push(await measure(name, { pids }));
  }
}
end();
showProgress('a machine whose statm is approximate');
const survivors = await measure('survivors', { count: 1_000, seed });
showProgress('');

const rows = comparisons.map(({ name, what, target }) => {
  const over = (key) => median(results[name].map((result) => result[key]));
  return {
    name,
    what,
    target,
    ratio: over('ratio'),
    nanoseconds: [over('ours'), over('theirs')],
    rounds: results[name],
  };
});

if (options.json) {
  console.log(JSON.stringify({ environment: environment(), processes, rounds, seed, rows, survivors }, null, 2));
} else {
  console.log(`${environmentLine()}; ${processes} idle processes, medians of ${rounds} rounds of fresh processes`);
  const table = new Table({
    head: ['what', 'measured', 'target', 'us'],
    style: { head: [], border: [], compact: true },
  });
  for (const { what, ratio, target, nanoseconds } of rows) {
    table.push([
      what,
      ratio.toFixed(2),
      target === undefined ? '' : `<= ${target}  ${ratio <= target ? 'reached' : 'missed'}`,
      nanoseconds.map((ns) => (ns / 1e3).toFixed(2)).join(' / '),
    ]);
  }
  console.log(table.toString());
  const [{ worstErrorBytes } = {}] = results['own-rss'] ?? [];
  if (worstErrorBytes) {
    const { ours, theirs } = worstErrorBytes;
    console.log(
      `This process, against VmRSS: rss() off by ${ours} bytes, process.memoryUsage.rss() by up to ${theirs}`,
    );
  }
  console.log(
    `Where statm is approximate, of ${survivors.eligible} processes on 256 CPUs: ${survivors.survivors} can still win after ` +
      `the first pass, ${survivors.preciseSums} precise reads, ${survivors.certain ? 'certain' : 'not certain'}`,
  );
}
