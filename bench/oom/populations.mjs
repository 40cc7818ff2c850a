// Tasks with real mms on a simulated machine of 256 CPUs and 512 GiB.
import { CounterArena, Mm } from '../../dist/index.js';

export const CPUS = 256;
/** 512 GiB in pages of 4 KiB. */
export const TOTAL_PAGES = 2 ** 27;

const MIB = 256;
const GIB = 1024 * MIB;

/** Resident pages of each of `count` tasks. */
const SIZES = {
  /** Small tasks, and one that holds 64 GiB. */
  giant: (count, random) => {
    const giant = random.below(count);
    return (i) => (i === giant ? 64 * GIB : Math.round(random.logNormal(20 * MIB, 0.5)));
  },
  /** Log-normal: half below 20 MiB, one in a hundred above 650 MiB. */
  mix: (_, random) => () => Math.min(64 * GIB, Math.round(random.logNormal(20 * MIB, 1.5))),
  /** All within 4 MiB: everybody within everybody's bounds. */
  alike: (_, random) => () => 400 * MIB + random.below(4 * MIB),
};

/** Gives an mm its pages as a life on all CPUs leaves them: every leaf holds something, and the tree holds back remainders. */
function live(mm, pages, random) {
  const perCpu = pages / CPUS;
  let anon = Math.round(0.7 * pages);
  for (let cpu = 0; cpu < CPUS; cpu++) {
    const pagesHere = Math.min(anon, Math.floor(1.4 * random.unit() * perCpu));
    anon -= pagesHere;
    mm.addOn(cpu, 'anon', pagesHere);
    mm.addOn(cpu, 'file', Math.floor(0.5 * random.unit() * perCpu));
    mm.addOn(cpu, 'shmem', Math.floor(0.1 * random.unit() * perCpu));
    mm.addOn(cpu, 'swap', random.below(3));
  }
  mm.addOn(random.below(CPUS), 'anon', anon);
}

/** @returns {import('../../dist/index.js').OomTask[]} in the order of their pids, all in one arena. */
export function populate(population, count, random) {
  const arena = new CounterArena({ cpus: CPUS });
  const sizeOf = SIZES[population](count, random);
  return Array.from({ length: count }, (_, i) => {
    const pages = sizeOf(i);
    const mm = new Mm({ arena, pageTableBytes: 4096 * Math.ceil(pages / 512) });
    live(mm, pages, random);
    return { pid: 100 + i, mm, oomScoreAdj: 0 };
  });
}
