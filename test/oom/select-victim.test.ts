import { describe, expect, it } from 'vitest';
import { oomBadness } from '../../lib/oom/badness.js';
import type { OomMemory, OomTask } from '../../lib/oom/memory.js';
import {
  type OomStrategy,
  type SelectVictimOptions,
  selectPreferred,
  selectVictim,
} from '../../lib/oom/select-victim.js';
import { type FakeMemory, type Figures, fakeTask } from './fake-memory.js';

const strategies: OomStrategy[] = ['exact', 'kernel', 'precise', 'approximate'];
const totalPages = 1_000_000;

function select(tasks: Iterable<OomTask>, options: Omit<SelectVictimOptions, 'totalPages'> = {}) {
  const { elapsedNs, ...selection } = selectVictim(tasks, { totalPages, ...options });
  expect(elapsedNs).toBeGreaterThan(0);
  return selection;
}

/** A task whose true RSS is `rss` and whose bounds are `min` and `max`. */
function between(pid: number, min: number, rss: number, max: number, more: Partial<Figures> = {}): OomTask {
  return fakeTask(pid, { rss, rssBelow: rss - min, rssAbove: max - rss, ...more });
}

describe.each(strategies)('selectVictim, %s', (strategy) => {
  it('kills the task with the highest badness, and says what it took', () => {
    const tasks = [fakeTask(2, 10), fakeTask(3, 30), fakeTask(4, 20)];
    expect(select(tasks, { strategy })).toEqual({
      victim: tasks[1],
      badness: 30,
      certain: true,
      aborted: false,
      considered: 3,
      eligible: 3,
      preciseSums: strategy === 'precise' ? 3 : 0,
    });
  });

  it('ranks by badness and preference, and reads page tables as they are', () => {
    const tasks = [
      between(2, 10, 12, 14, { pageTables: 5 }),
      fakeTask(3, { rss: 30, pageTables: 5 }),
      fakeTask(4, 20, { oomScoreAdj: -1000 }),
    ];
    const pages = new Map([
      [2, 100],
      [3, -100],
      [4, 1000],
    ]);
    const preference = ({ pid }: OomTask) => pages.get(pid)!;
    const { victim, badness, certain } = selectPreferred(tasks, { totalPages, strategy }, preference);
    expect(victim).toBe(tasks[0]);
    expect(badness).toBe((strategy === 'approximate' ? 10 : 12) + 5 + 100);
    expect(certain).toBe(true);
    expect(tasks[0]!.mm!.pageTablePages()).toBe(5);
    expect(oomBadness(tasks[0]!, totalPages)).toBe(17);
    expect(selectVictim(tasks, { totalPages, strategy }).victim).toBe(tasks[1]);
  });

  it.each<[string, OomTask]>([
    ['init', fakeTask(1, 900)],
    ['a kernel thread', fakeTask(9, 900, { kernelThread: true })],
    ['a dying kernel thread', fakeTask(9, 900, { kernelThread: true, dying: true })],
    ['an origin that is init', fakeTask(1, 900, { origin: true })],
    ['oomScoreAdj -1000', fakeTask(9, 900, { oomScoreAdj: -1000 })],
    ['skip', fakeTask(9, 900, { skip: true })],
    ['an earlier victim marked skip', fakeTask(9, 900, { skip: true, dying: true })],
    ['an earlier victim marked skip, and origin', fakeTask(9, 900, { skip: true, dying: true, origin: true })],
    ['a task inside vfork', fakeTask(9, 900, { inVfork: true })],
    ['a task without mm', { pid: 9 } as OomTask],
    ['an mm of null', { pid: 9, mm: null as unknown as OomMemory }],
  ])('passes over %s', (_, passedOver) => {
    const task = fakeTask(2, 10);
    const expected = { victim: task, badness: 10, certain: true, aborted: false, considered: 2, eligible: 1 };
    expect(select([passedOver, task], { strategy })).toMatchObject(expected);
    expect(select([task, passedOver], { strategy })).toMatchObject(expected);
    expect(select([passedOver], { strategy })).toMatchObject({
      victim: null,
      badness: null,
      considered: 1,
      eligible: 0,
    });
  });

  it('has no victim among no tasks', () => {
    expect(select([], { strategy })).toEqual({
      victim: null,
      badness: null,
      certain: true,
      aborted: false,
      considered: 0,
      eligible: 0,
      preciseSums: 0,
    });
  });

  it('of equals takes the later scanned', () => {
    const tasks = [fakeTask(2, 10), fakeTask(3, 40), fakeTask(4, 40), fakeTask(5, 5)];
    expect(select(tasks, { strategy }).victim).toBe(tasks[2]);
    expect(select(tasks.toReversed(), { strategy }).victim).toBe(tasks[1]);
  });

  it('compares negative badness', () => {
    const tasks = [
      fakeTask(2, 10, { oomScoreAdj: -900 }),
      fakeTask(3, 10, { oomScoreAdj: -500 }),
      fakeTask(4, 99, { oomScoreAdj: -999 }),
    ];
    expect(select(tasks, { strategy })).toMatchObject({ victim: tasks[1], badness: 10 - 500_000, certain: true });
  });

  it('weighs oomScoreAdj by thousandths of totalPages, rounded down to nothing below 1,000', () => {
    const tasks = [fakeTask(2, 1_500), fakeTask(3, 10, { oomScoreAdj: 1000 })];
    const victim = (pages: number) => selectVictim(tasks, { totalPages: pages, strategy }).victim?.pid;
    expect([999, 1_000, 1_999, 2_000].map(victim)).toEqual([2, 2, 2, 3]);
  });

  it('stops where it meets an earlier victim that is still exiting', () => {
    const dying = fakeTask(3, 1, { dying: true, origin: true, oomScoreAdj: -1000 });
    const scan = counted([fakeTask(2, 50), dying, fakeTask(4, 60, { origin: true })]);
    expect(select(scan.tasks, { strategy })).toEqual({
      victim: null,
      badness: null,
      certain: true,
      aborted: true,
      considered: 2,
      eligible: 1,
      preciseSums: 0,
    });
    expect(scan).toMatchObject({ taken: 2, closed: true });
  });

  it('takes the origin where it meets it', () => {
    const origin = fakeTask(3, 1, { origin: true });
    const later = [fakeTask(4, 60, { dying: true }), fakeTask(5, 70, { origin: true })];
    const scan = counted([fakeTask(2, 50), origin, ...later]);
    expect(select(scan.tasks, { strategy })).toEqual({
      victim: origin,
      badness: 1,
      certain: false,
      aborted: false,
      considered: 2,
      eligible: 2,
      preciseSums: strategy === 'precise' ? 1 : 0,
    });
    expect(scan).toMatchObject({ taken: 2, closed: true });
  });

  it.each<[string, OomTask]>([
    ['oomScoreAdj -1000', fakeTask(3, 1, { origin: true, oomScoreAdj: -1000 })],
    ['skip, not dying', fakeTask(3, 1, { origin: true, skip: true })],
    ['no mm', { pid: 3, origin: true } as OomTask],
  ])('takes an origin that has no badness: %s', (_, origin) => {
    expect(select([fakeTask(2, 50), origin], { strategy })).toMatchObject({
      victim: origin,
      badness: null,
      eligible: 2,
    });
  });

  it('reads a generator once', () => {
    const tasks = [fakeTask(3, 20), fakeTask(4, 30), fakeTask(2, 10)];
    const scan = counted(tasks);
    expect(select(scan.tasks, { strategy }).victim).toBe(tasks[1]);
    expect(scan).toMatchObject({ taken: 3, opened: 1 });
    expect(select(new Set(tasks), { strategy }).victim).toBe(tasks[1]);
    expect(select(new Map(tasks.map((task) => [task.pid, task])).values(), { strategy }).victim).toBe(tasks[1]);
  });

  it('changes no task', () => {
    const tasks = [fakeTask(2, 10), fakeTask(3, 30)].map((task) => Object.freeze(task));
    expect(select(Object.freeze(tasks), { strategy }).victim).toBe(tasks[1]);
  });
});

describe('which tasks are summed', () => {
  // Overlapping bounds in scan order: pid 4 holds the highest minimum, 55, which pids 3, 4 and 5 reach.
  const overlapping = () => [
    between(2, 10, 20, 54),
    between(3, 40, 41, 55),
    between(4, 55, 56, 60),
    between(5, 50, 70, 80),
    between(6, 0, 50, 54),
  ];
  const summed = (tasks: OomTask[]) => tasks.filter(({ mm }) => (mm as FakeMemory).sums > 0).map(({ pid }) => pid);

  it.each<[OomStrategy, number[]]>([
    ['exact', [5]],
    ['kernel', [3, 4, 5]],
    ['precise', [2, 3, 4, 5, 6]],
    ['approximate', []],
  ])('%s', (strategy, pids) => {
    const tasks = overlapping();
    const { preciseSums } = select(tasks, { strategy });
    expect(summed(tasks)).toEqual(pids);
    expect(preciseSums).toBe(pids.length);
  });

  it('exact looks at a later task that can only draw level, not at an earlier one', () => {
    const levelLater = [between(2, 0, 100, 120), between(3, 0, 100, 100, { rssBelow: 50 })];
    expect(select(levelLater)).toMatchObject({ victim: levelLater[1], badness: 100, preciseSums: 2, certain: true });
    const levelEarlier = [between(2, 0, 100, 100), between(3, 0, 100, 120)];
    expect(select(levelEarlier)).toMatchObject({
      victim: levelEarlier[1],
      badness: 100,
      preciseSums: 1,
      certain: true,
    });
  });

  it('exact needs one sum to give the precise badness of a lone survivor', () => {
    const tasks = [between(2, 0, 1, 9), between(3, 10, 12, 20)];
    expect(select(tasks)).toMatchObject({ victim: tasks[1], badness: 12, preciseSums: 1, certain: true });
  });

  it.each(['exact', 'kernel'] as const)('%s does not sum where bounds leave one value, nor count it', (strategy) => {
    const known = [fakeTask(2, 70), fakeTask(3, 70)];
    const open = between(4, 60, 65, 80);
    expect(select([...known, open], { strategy, maxPreciseSums: 1 })).toMatchObject({
      victim: known[1],
      badness: 70,
      preciseSums: 1,
      certain: true,
    });
  });

  it('swap that is not known exactly is reason to sum', () => {
    const tasks = [fakeTask(2, { rss: 10, swap: 10, swapBelow: 5 }), fakeTask(3, { rss: 10, swap: 8, swapAbove: 5 })];
    expect(select(tasks)).toMatchObject({ victim: tasks[0], badness: 20, preciseSums: 2, certain: true });
    expect(select(tasks, { strategy: 'approximate' })).toMatchObject({ victim: tasks[1], badness: 18, certain: false });
  });
});

describe("the kernel's bar", () => {
  it('rises with each higher sum, which spares the sums of those below it', () => {
    // The highest minimum is 30, which all maxima reach; the first sum lifts the bar to 70.
    const tasks = [between(2, 20, 70, 90), between(3, 30, 35, 60), between(4, 10, 40, 69), between(5, 0, 66, 70)];
    expect(select(tasks, { strategy: 'kernel' })).toMatchObject({
      victim: tasks[0],
      badness: 70,
      preciseSums: 2,
      certain: true,
    });
    expect(tasks.map(({ mm }) => (mm as FakeMemory).sums)).toEqual([1, 0, 0, 1]);
  });

  it('rises beyond the limit as well, by minima', () => {
    const tasks = [between(2, 20, 70, 90), between(3, 75, 80, 95), between(4, 40, 85, 99), between(5, 76, 77, 98)];
    expect(select(tasks, { strategy: 'kernel', maxPreciseSums: 1 })).toMatchObject({
      victim: tasks[3],
      badness: 76,
      preciseSums: 1,
      certain: false,
    });
  });
});

describe('maxPreciseSums', () => {
  // Everybody within everybody's bounds, the true badness rising with the pid; the minima fall.
  const alike = (count: number) => Array.from({ length: count }, (_, i) => between(i + 2, 100 - i, 200 + i, 400));

  it('kernel: 16 by default, in scan order, the others by their minimum', () => {
    const sixteen = alike(16);
    expect(select(sixteen, { strategy: 'kernel' })).toMatchObject({
      victim: sixteen[15],
      badness: 215,
      preciseSums: 16,
      certain: true,
    });
    const twenty = alike(20);
    expect(select(twenty, { strategy: 'kernel' })).toMatchObject({
      victim: twenty[15],
      badness: 215,
      preciseSums: 16,
      certain: false,
    });
    expect(select(twenty, { strategy: 'kernel', maxPreciseSums: 20 })).toMatchObject({
      victim: twenty[19],
      preciseSums: 20,
      certain: true,
    });
  });

  it('exact: none by default, by falling maximum when given', () => {
    const twenty = alike(20);
    expect(select(twenty)).toMatchObject({ victim: twenty[19], badness: 219, preciseSums: 20, certain: true });
    const tasks = [between(2, 10, 20, 90), between(3, 15, 80, 100), between(4, 16, 70, 95)];
    expect(select(tasks, { maxPreciseSums: 1 })).toMatchObject({ victim: tasks[1], badness: 80, certain: false });
    expect(select(tasks, { maxPreciseSums: 3 })).toMatchObject({ victim: tasks[1], badness: 80, certain: true });
  });

  it.each(['exact', 'kernel'] as const)('%s: 0 ranks by the lowest possible badness', (strategy) => {
    const tasks = [between(2, 10, 20, 90), between(3, 15, 80, 100), between(4, 16, 70, 95)];
    expect(select(tasks, { strategy, maxPreciseSums: 0 })).toMatchObject({
      victim: tasks[2],
      badness: 16,
      preciseSums: 0,
      certain: false,
    });
  });

  it('does not bind precise', () => {
    expect(select(alike(20), { strategy: 'precise', maxPreciseSums: 1 })).toMatchObject({
      preciseSums: 20,
      certain: true,
    });
  });
});

describe('certain', () => {
  it('approximate: only when no maximum passes the minimum of the victim', () => {
    const apart = [between(2, 10, 20, 40), between(3, 40, 41, 90)];
    expect(select(apart, { strategy: 'approximate' })).toMatchObject({ victim: apart[1], badness: 40, certain: true });
    const overlapping = [between(2, 10, 20, 41), between(3, 40, 41, 90)];
    expect(select(overlapping, { strategy: 'approximate' })).toMatchObject({ victim: overlapping[1], certain: false });
  });

  it('approximate: a lone task is certain however little is known of it', () => {
    expect(select([between(2, 0, 5, 900)], { strategy: 'approximate' }).certain).toBe(true);
  });

  it('kernel: not when a sum lies outside its bounds; the first pass decides where no sum reaches the bar', () => {
    const above = [between(2, 10, 20, 40), fakeTask(3, { rss: 90, rssBelow: 50, rssAbove: -20 })];
    expect(select(above, { strategy: 'kernel' })).toMatchObject({ victim: above[1], badness: 90, certain: false });
    const below = [between(2, 10, 20, 40), fakeTask(3, { rss: 5, rssBelow: -25, rssAbove: 50 })];
    expect(select(below, { strategy: 'kernel' })).toMatchObject({ victim: below[1], badness: 5, certain: false });
  });

  it.each(['exact', 'precise'] as const)('%s: not when a sum lies outside its bounds', (strategy) => {
    const above = [between(2, 10, 20, 40), fakeTask(3, { rss: 90, rssBelow: 50, rssAbove: -20 })];
    expect(select(above, { strategy })).toMatchObject({ victim: above[1], badness: 90, certain: false });
    const below = [between(2, 10, 20, 40), fakeTask(3, { rss: 5, rssBelow: -25, rssAbove: 50 })];
    expect(select(below, { strategy })).toMatchObject({ victim: below[0], badness: 20, certain: false });
  });
});

/** `tasks` as an iterable that counts what is done to it. */
function counted(tasks: OomTask[]) {
  const scan = { taken: 0, opened: 0, closed: false, tasks: [] as Iterable<OomTask> };
  scan.tasks = {
    *[Symbol.iterator]() {
      scan.opened++;
      try {
        for (const task of tasks) {
          scan.taken++;
          yield task;
        }
      } finally {
        scan.closed = true;
      }
    },
  };
  return scan;
}
