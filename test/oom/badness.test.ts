import { describe, expect, it } from 'vitest';
import { oomBadness, oomScore } from '../../lib/oom/badness.js';
import type { OomMemory, OomTask } from '../../lib/oom/memory.js';
import { fakeTask } from './fake-memory.js';

const figures = {
  rss: 1_000,
  rssBelow: 100,
  rssAbove: 50,
  approximate: 920,
  swap: 30,
  swapBelow: 10,
  swapAbove: 5,
  pageTables: 7,
};

const notEligible: [string, OomTask][] = [
  ['init', fakeTask(1, 50_000)],
  ['a kernel thread', fakeTask(2, 50_000, { kernelThread: true })],
  ['oomScoreAdj -1000', fakeTask(2, 50_000, { oomScoreAdj: -1000 })],
  ['an mm marked skip', fakeTask(2, 50_000, { skip: true })],
  ['a task inside vfork', fakeTask(2, 50_000, { inVfork: true })],
  ['an mm of null', { pid: 2, mm: null as unknown as OomMemory }],
  ['no mm', { pid: 2 } as OomTask],
];

describe('oomBadness', () => {
  it('adds up resident pages, swap and page tables, precisely unless told otherwise', () => {
    const task = fakeTask(2, figures);
    expect(oomBadness(task, 100_000)).toBe(1_037);
    expect(oomBadness(task, 100_000, 'precise')).toBe(1_037);
  });

  it('approximates by rss() and the lower bound of swap', () => {
    expect(oomBadness(fakeTask(2, figures), 100_000, 'approximate')).toBe(920 + 20 + 7);
  });

  it.each([
    [1000, 100_000, 1_000 + 100_000],
    [500, 100_000, 1_000 + 50_000],
    [1, 100_999, 1_000 + 100],
    [0, 100_000, 1_000],
    [-1, 100_000, 900],
    [-999, 100_000, 1_000 - 99_900],
    [1000, 999, 1_000],
    [-999, 999, 1_000],
    [1000, 1_999, 2_000],
    [-999, 1, 1_000],
    [1000, Number.MAX_SAFE_INTEGER - 2_000, 1_000 + 9_007_199_254_738_000],
  ])('oomScoreAdj %i of %i total pages gives %i', (oomScoreAdj, totalPages, badness) => {
    expect(oomBadness(fakeTask(2, 1_000, { oomScoreAdj }), totalPages)).toBe(badness);
  });

  it.each(notEligible)('is null for %s', (_, task) => {
    expect(oomBadness(task, 100_000)).toBeNull();
    expect(oomBadness(task, 100_000, 'approximate')).toBeNull();
    expect(oomScore(task, 100_000)).toBe(0);
  });

  it('does not look at dying and origin', () => {
    expect(oomBadness(fakeTask(2, 10, { dying: true, origin: true }), 100_000)).toBe(10);
  });
});

describe('oomScore', () => {
  it.each([
    // badness, adj, totalPages, score
    [0, 0, 1_000_000, 666],
    [1, 0, 1_000_000, 666],
    [500_000, 0, 1_000_000, 1_000],
    [999_999, 0, 1_000_000, 1_332],
    [1_000_000, 0, 1_000_000, 1_333],
    [0, 1000, 1_000_000, 1_333],
    [1_000_000, 1000, 1_000_000, 2_000],
    [0, 500, 1_000_000, 1_000],
    [0, -500, 1_000_000, 333],
    [0, -999, 1_000_000, 0],
    [10_000, -999, 1_000_000, 7],
    [0, -999, 1_999, 334],
    [0, 1000, 999, 666],
    [7, 0, 10, 1_133],
  ])('%i pages, adj %i, of %i: %i', (rss, oomScoreAdj, totalPages, score) => {
    expect(oomScore(fakeTask(2, rss, { oomScoreAdj }), totalPages)).toBe(score);
  });

  it('rounds each division towards 0, also below 0', () => {
    // -2 x 1000 / 1500 is -1; rounded down it would be -2, and the score 665.
    expect(oomScore(fakeTask(2, -2), 1_500)).toBe(666);
    expect(oomScore(fakeTask(2, -3), 1_500)).toBe(665);
  });

  it('is never below 0, and never -0', () => {
    expect(oomScore(fakeTask(2, -5_000), 1_000)).toBe(0);
    expect(Object.is(oomScore(fakeTask(2, -1_000), 1_000), 0)).toBe(true);
  });

  it('stays exact where badness x 1000 passes 2^53', () => {
    const totalPages = 9_007_199_254_740_990;
    expect(oomScore(fakeTask(2, totalPages), totalPages)).toBe(1_333);
    expect(oomScore(fakeTask(2, totalPages - 1), totalPages)).toBe(1_332);
    expect(oomScore(fakeTask(2, totalPages / 2), totalPages)).toBe(1_000);
  });

  it('sums precisely', () => {
    expect(oomScore(fakeTask(2, { rss: 500, rssBelow: 500, rssAbove: 500 }), 1_000)).toBe(1_000);
  });

  it('refuses a score that is no safe integer', () => {
    expect(() => oomScore(fakeTask(77, Number.MAX_SAFE_INTEGER), 1)).toThrow(/77/);
  });
});
