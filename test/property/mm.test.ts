import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CounterArena } from '../../lib/counter/arena.js';
import { Mm, type MmCounter } from '../../lib/mm/mm.js';
import type { OomTask } from '../../lib/oom/memory.js';
import { selectVictim } from '../../lib/oom/select-victim.js';
import { usableEngines } from '../support/engines.js';
import { randomIntegers, seeded } from '../support/random.js';

const KINDS: MmCounter[] = ['file', 'anon', 'swap', 'shmem'];

const cpuCount = fc.oneof(fc.integer({ min: 1, max: 512 }), fc.constantFrom(1, 2, 8, 255, 256, 257, 512));
/** Single pages, page tables full, and whole mappings; as often given as taken. */
const pages = fc.oneof(
  fc.integer({ min: -40, max: 40 }),
  fc.integer({ min: -5_000, max: 5_000 }),
  fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
);
const change = fc.record({ cpu: fc.nat(511), kind: fc.constantFrom(...KINDS), pages });

/** One arena per engine and number of CPUs, for all cases: its memory is used again and again. */
const arenas = new Map<string, CounterArena>();
function arenaFor(engine: (typeof usableEngines)[number], cpus: number): CounterArena {
  const key = `${engine.name} ${cpus}`;
  const arena = arenas.get(key) ?? engine.arena({ cpus, capacity: 1_600 });
  arenas.set(key, arena);
  return arena;
}

const clamped = (value: number) => Math.max(0, value);
const isWithin = (value: number, { min, max }: { min: number; max: number }) => min <= value && value <= max;

describe.each(usableEngines)('Mm on $name', (engine) => {
  it('sums what was added, and bounds it, after every change', () => {
    const property = fc.property(cpuCount, fc.array(change, { maxLength: 80, size: 'max' }), (cpus, changes) => {
      const arena = arenaFor(engine, cpus);
      const mm = new Mm({ arena });
      const truth = { file: 0, anon: 0, swap: 0, shmem: 0 };
      for (const next of changes) {
        mm.addOn(next.cpu % cpus, next.kind, next.pages);
        truth[next.kind] += next.pages;
        const rss = clamped(truth.file) + clamped(truth.anon) + clamped(truth.shmem);
        expect(KINDS.map((kind) => mm.counterSum(kind))).toEqual(KINDS.map((kind) => clamped(truth[kind])));
        expect(mm.rssSum()).toBe(rss);
        expect(mm.swapSum()).toBe(clamped(truth.swap));
        expect(isWithin(rss, mm.rssBounds())).toBe(true);
        expect(isWithin(clamped(truth.swap), mm.swap())).toBe(true);
        // The trees hold pages back, they never run ahead.
        expect(mm.rss()).toBe(mm.rssBounds().min);
        expect(mm.rss()).toBe(mm.counter('file') + mm.counter('anon') + mm.counter('shmem'));
        expect(mm.counter(next.kind)).toBeLessThanOrEqual(mm.counterSum(next.kind));
      }
      const leaks = Object.entries(truth).filter(([, left]) => left !== 0);
      expect(mm.destroy()).toEqual({ leaked: Object.fromEntries(leaks) });
      expect(arena.size).toBe(0);
    });
    fc.assert(property, seeded(100));
  });
});

describe('selectVictim over real mms', () => {
  const population = fc.record({
    cpus: fc.constantFrom(1, 2, 5, 8, 64, 100, 256),
    count: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 300 })),
    /** Few pages give many ties, many pages few survivors. */
    largest: fc.constantFrom(2, 100, 10_000, 1_000_000),
    visits: fc.integer({ min: 0, max: 12 }),
    seed: fc.integer(),
  });

  it('exact agrees with precise to the task; kernel too, within its limit; certain is never wrong', () => {
    const totalPages = 100_000_000;
    const property = fc.property(population, ({ cpus, count, largest, visits, seed }) => {
      const random = randomIntegers(seed);
      const arena = arenaFor(usableEngines[seed & 1 ? 0 : usableEngines.length - 1]!, cpus);
      const tasks: OomTask[] = Array.from({ length: count }, (_, i) => {
        const mm = new Mm({ arena, pageTableBytes: random(5) * 4096 });
        for (let visit = 0; visit < visits; visit++) {
          // Some are taken away elsewhere, so that a counter can be below 0.
          mm.addOn(random(cpus), KINDS[random(4)]!, random(largest) - (random(4) === 0 ? largest : 0));
        }
        return { pid: 2 + i, mm, oomScoreAdj: random(20) === 0 ? random(2_001) - 1_000 : 0 };
      });
      const precise = selectVictim(tasks, { totalPages, strategy: 'precise' });
      const exact = selectVictim(tasks, { totalPages });
      expect(exact.victim).toBe(precise.victim);
      expect(exact).toMatchObject({ badness: precise.badness, certain: true });
      expect(exact.preciseSums).toBeLessThanOrEqual(precise.preciseSums);
      const kernel = selectVictim(tasks, { totalPages, strategy: 'kernel' });
      if (kernel.preciseSums < 16) expect(kernel.victim).toBe(precise.victim);
      for (const strategy of ['kernel', 'approximate'] as const) {
        const { victim, certain } = selectVictim(tasks, { totalPages, strategy });
        if (certain && victim) {
          expect(selectVictim([victim], { totalPages, strategy: 'precise' }).badness).toBe(precise.badness);
        }
      }
      for (const { mm } of tasks) (mm as Mm).destroy();
      expect(arena.size).toBe(0);
    });
    fc.assert(property, seeded(150));
  });
});
