import { describe, expect, it } from 'vitest';
import type { OomMemory, OomTask } from '../../lib/oom/memory.js';
import { selectVictim } from '../../lib/oom/select-victim.js';
import { type Figures, fakeTask } from './fake-memory.js';

/** 4 GiB of 4 KiB pages: one unit of oomScoreAdj weighs 1,048 pages. */
const totalPages = 1_048_576;

const neverKilled: [string, OomTask][] = [
  ['init', fakeTask(1, 900_000, { oomScoreAdj: 1000 })],
  ['kernel thread', fakeTask(2, 900_000, { kernelThread: true })],
  ['sshd, adj -1000', fakeTask(3, 900_000, { oomScoreAdj: -1000 })],
  ['already reaped', fakeTask(4, 900_000, { skip: true, dying: true })],
  ['inside vfork', fakeTask(5, 900_000, { inVfork: true })],
  ['exiting, without mm', { pid: 6, mm: null as unknown as OomMemory }],
];

/** From least to most killable. Bounds overlap with the neighbours', truths do not. */
const killable: [string, OomTask][] = [
  ['empty, adj -999', task(10, 0, 0, { oomScoreAdj: -999 })],
  ['400 MiB, adj -999', task(11, 102_400, 500, { oomScoreAdj: -999 })],
  ['400 MiB, adj -998', task(12, 102_400, 2_000, { oomScoreAdj: -998 })],
  ['empty, adj -500', task(13, 0, 0, { oomScoreAdj: -500 })],
  ['2 GiB, adj -500', task(14, 522_000, 1_500, { oomScoreAdj: -500 })],
  ['empty, adj -1', task(15, 0, 0, { oomScoreAdj: -1 })],
  ['empty', task(16, 0, 200)],
  ['page tables alone', task(17, 0, 0, {}, { pageTables: 1 })],
  ['swap alone', task(18, 0, 0, {}, { swap: 2, swapAbove: 500 })],
  ['three pages', task(19, 3, 2)],
  ['three pages and page tables', task(20, 3, 3, {}, { pageTables: 1 })],
  ['shell', task(21, 1_000, 999)],
  ['empty, adj 1', task(22, 0, 700, { oomScoreAdj: 1 })],
  ['shell, adj 1', task(23, 1_000, 900, { oomScoreAdj: 1 })],
  ['browser tab, adj 300', task(24, 50_000, 24_576, { oomScoreAdj: 300 })],
  ['database, 1.5 GiB', task(25, 393_216, 24_576)],
  ['database, 1.5 GiB and swap', task(26, 393_216, 24_576, {}, { swap: 1 })],
  ['2 GiB', task(27, 524_288, 60_000)],
  ['all of memory', task(28, 1_048_576, 24_576)],
  ['shell, adj 1000', task(29, 1_000, 1_000, { oomScoreAdj: 1000 })],
  ['all of memory, adj 1000', task(30, 1_048_576, 24_576, { oomScoreAdj: 1000 })],
  ['origin', task(31, 0, 0, { origin: true, oomScoreAdj: -999 })],
];

function task(
  pid: number,
  rss: number,
  error: number,
  flags: Partial<OomTask> = {},
  more: Partial<Figures> = {},
): OomTask {
  return fakeTask(pid, { rss, rssBelow: Math.min(rss, error), rssAbove: error, ...more }, flags);
}

describe.each(['exact', 'kernel', 'precise'] as const)('killing order, %s', (strategy) => {
  const victimOf = (...tasks: OomTask[]) => selectVictim(tasks, { totalPages, strategy }).victim;

  it('every pair, both scan orders', () => {
    const wrong: string[] = [];
    for (const [i, [less, spared]] of killable.entries()) {
      for (const [more, killed] of killable.slice(i + 1)) {
        if (victimOf(spared, killed) !== killed || victimOf(killed, spared) !== killed) wrong.push(`${less} > ${more}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('nobody kills the untouchable', () => {
    const untouchable = neverKilled.map(([, never]) => never);
    expect(victimOf(...untouchable)).toBeNull();
    for (const [name, killed] of killable) expect(victimOf(...untouchable, killed), name).toBe(killed);
  });

  it('all at once, shortened from the top', () => {
    for (let count = killable.length; count > 0; count--) {
      const tasks = killable.slice(0, count).map(([, each]) => each);
      expect(victimOf(...tasks)).toBe(tasks.at(-1));
      expect(victimOf(...tasks.toReversed())).toBe(tasks.at(-1));
    }
  });
});
