// Choosing the task to kill: how often each strategy is wrong, what it costs in time, and what an mm costs.
import { environmentLine, readCommandLine, showProgress, wholeNumber } from './command-line.mjs';
import { environment } from './environment.mjs';
import { inFreshProcess } from './fresh-process.mjs';
import { costTable, latencyTable, victimTable } from './oom/tables.mjs';
import { median, medianRatio } from './sampling.mjs';

const POPULATIONS = ['giant', 'mix', 'alike'];
const MMS = 10_000;

const DESCRIPTION = 'Choosing the task to kill: wrong victims, time per selection, and what an mm costs.';
const options = readCommandLine('bench:oom', DESCRIPTION, [
  ['--rounds <N>', 'fresh processes per figure, whose median counts (default: 3)', wholeNumber()],
  ['--seed <N>', 'of the populations', wholeNumber(0), 1],
  ['--quick', 'one round, fewer populations, no 100,000 tasks'],
]);
const { quick, seed } = options;
const rounds = options.rounds ?? (quick ? 1 : 3);
const sizes = quick ? [40, 1_000, 10_000] : [40, 1_000, 10_000, 100_000];

const measure = (name, argument) => inFreshProcess(new URL(`oom/${name}.mjs`, import.meta.url), argument);

/** Median of each property over several results. */
function medians(results) {
  return Object.fromEntries(Object.keys(results[0]).map((key) => [key, median(results.map((result) => result[key]))]));
}

showProgress('wrong victims');
const victims = await measure('victims', { repetitions: quick ? 20 : 100, seed });

const costs = [];
const latencies = new Map();
for (let round = 0; round < rounds; round++) {
  showProgress(`round ${round + 1} of ${rounds}: cost of an mm`);
  costs.push(await measure('cost', { count: MMS }));
  for (const count of sizes) {
    for (const population of POPULATIONS) {
      showProgress(`round ${round + 1} of ${rounds}: ${population}, ${count} tasks`);
      const key = `${population} ${count}`;
      const result = await measure('latency', { population, count, seed: seed + round, milliseconds: 1_000 });
      latencies.set(key, [...(latencies.get(key) ?? []), result]);
    }
  }
}
showProgress('');

const cost = { nanoseconds: medians(costs.map(({ nanoseconds }) => nanoseconds)), bytes: costs[0].bytes };
const latency = POPULATIONS.flatMap((population) =>
  sizes.map((count) => {
    const results = latencies.get(`${population} ${count}`);
    const times = (strategy) => results.map(({ nanoseconds }) => nanoseconds[strategy]);
    const ratio = (of, to) => medianRatio(times(of), times(to));
    return {
      population,
      count,
      nanoseconds: medians(results.map(({ nanoseconds }) => nanoseconds)),
      ratios: {
        'precise/exact': ratio('precise', 'exact'),
        'exact/approximate': ratio('exact', 'approximate'),
        'exact/bareLoop': ratio('exact', 'bareLoop'),
      },
      preciseSums: medians(results.map(({ preciseSums }) => preciseSums)),
      rounds: results,
    };
  }),
);

if (options.json) {
  console.log(JSON.stringify({ environment: environment(), seed, rounds, victims, latency, cost }, null, 2));
} else {
  console.log(`${environmentLine()}; medians of ${rounds} rounds of fresh processes; seed ${seed}`);
  console.log('\nWrong victims at 256 CPUs: another task than the one with the highest precise badness');
  console.log(victimTable(victims));
  console.log('\nOne selection at 256 CPUs, ms. The bare loop knows no bounds and checks nothing');
  console.log(latencyTable(latency));
  console.log(`\nCost at 256 CPUs, over ${MMS} mms`);
  console.log(costTable(cost));
}
