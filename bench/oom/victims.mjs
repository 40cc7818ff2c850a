// How often each way to choose kills another task than the precise one, over random populations.
import { CounterArena, Mm, selectVictim } from '../../dist/index.js';
import { Random } from '../random.mjs';
import { FlatCounter } from '../rss/schemes.mjs';
import { CPUS, TOTAL_PAGES } from './populations.mjs';

const MIB = 256;

/** Tasks of one population, and the resident pages each is to have. */
const POPULATIONS = {
  'mix of 200 tasks': (random) => Array.from({ length: 200 }, () => random.logNormal(20 * MIB, 1.5)),
  '12 workers alike among 100 tasks': (random) => workers(12, 100, random),
  '64 workers alike among 100 tasks': (random) => workers(64, 100, random),
};

/** A pool of workers of 1 GiB, give or take some 30 MiB, among small tasks. */
function workers(count, tasks, random) {
  return Array.from({ length: tasks }, (_, i) =>
    i < count ? random.logNormal(1024 * MIB, 0.03) : random.logNormal(20 * MIB, 1),
  );
}

/** A task's memory on both kinds of counters at once; file and anon pages, the rest stays 0. */
class TwofoldMemory {
  #flat = { file: new FlatCounter(CPUS), anon: new FlatCounter(CPUS) };

  constructor(arena) {
    this.mm = new Mm({ arena });
  }

  add(cpu, kind, pages) {
    this.mm.addOn(cpu, kind, pages);
    this.#flat[kind].add(0, cpu, pages);
  }

  /** What a 6.2 kernel's fast read gives. */
  get flatRss() {
    return this.#flat.file.approximate() + this.#flat.anon.approximate();
  }
}

/** Grows to `pages` in mmaps and munmaps of 1 … 2,048 pages on some of the CPUs. */
function live(memory, pages, random) {
  const cpus = random.shuffled(Array.from({ length: CPUS }, (_, cpu) => cpu)).slice(0, random.logUniform(1, CPUS));
  const somewhere = () => cpus[random.below(cpus.length)];
  const held = { file: 0, anon: 0 };
  while (held.file + held.anon < pages) {
    const kind = random.below(4) === 0 ? 'file' : 'anon';
    const size = Math.min(random.logUniform(1, 2048), Math.ceil(pages - held.file - held.anon));
    // A fault adds one page, and moves on to the next CPU now and then; in lumps here, below any batch.
    for (let left = size; left > 0; left -= 31) memory.add(somewhere(), kind, Math.min(31, left));
    held[kind] += size;
    if (random.below(3) > 0) continue;
    const away = Math.min(held[kind], random.logUniform(1, 1024));
    for (let left = away; left > 0; left -= 512) memory.add(somewhere(), kind, -Math.min(512, left));
    held[kind] -= away;
  }
}

function lastHighest(tasks, badnessOf) {
  return tasks.reduce((best, task) => (badnessOf(task) >= badnessOf(best) ? task : best));
}

const CHOICES = {
  flat: (tasks) => lastHighest(tasks, ({ memory }) => memory.flatRss),
  approximate: (tasks) => selectVictim(tasks, { totalPages: TOTAL_PAGES, strategy: 'approximate' }).victim,
  kernel: (tasks) => selectVictim(tasks, { totalPages: TOTAL_PAGES, strategy: 'kernel' }).victim,
  exact: (tasks) => selectVictim(tasks, { totalPages: TOTAL_PAGES, strategy: 'exact' }).victim,
};

/**
 * @returns {{ population: string, repetitions: number, choices: Record<string, number[]> }[]} by population and choice,
 *   for every other victim than the precise one: how many pages less it frees.
 */
export default function measureVictims({ repetitions, seed }) {
  const random = new Random(seed);
  return Object.entries(POPULATIONS).map(([population, sizes]) => {
    const choices = Object.fromEntries(Object.keys(CHOICES).map((name) => [name, []]));
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const arena = new CounterArena({ cpus: CPUS, capacity: 1024 });
      const tasks = random.shuffled(sizes(random)).map((pages, i) => {
        const memory = new TwofoldMemory(arena);
        live(memory, pages, random);
        return { pid: 100 + i, mm: memory.mm, memory };
      });
      const truth = selectVictim(tasks, { totalPages: TOTAL_PAGES, strategy: 'precise' });
      for (const [name, choose] of Object.entries(CHOICES)) {
        const victim = choose(tasks);
        if (victim !== truth.victim) choices[name].push(truth.badness - victim.mm.rssSum());
      }
    }
    return { population, repetitions, choices };
  });
}
