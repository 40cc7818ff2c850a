import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { percpu } from '../support/built.js';
import { FakeProc, type FakeProcess } from '../support/proc-tree.js';
import { itUnless, notLinux } from '../support/skip.js';
import { percpuError, rejected, typeError } from '../support/thrown.js';

const { predictVictim } = percpu;
const GIB_KIB = 2 ** 20;
const MIB = 256;

const trees: FakeProc[] = [];
function fakeProc(onlineCpus = 2, ramKiB = 16 * GIB_KIB): FakeProc {
  const tree = new FakeProc({ onlineCpus, ramKiB });
  trees.push(tree);
  return tree;
}
afterEach(() => {
  for (const tree of trees.splice(0)) tree.remove();
});

/** On a kernel whose statm is precise; `error` pages of it do not show in stat. */
const precise = (pages: number, error = 0, more: FakeProcess = {}): FakeProcess => ({
  approximate: pages - error,
  resident: pages,
  rollupKiB: 4 * pages,
  ...more,
});
/** On a kernel whose statm is as approximate as stat. */
const approximate = (pages: number, shown: number, more: FakeProcess = {}): FakeProcess => ({
  approximate: shown,
  resident: shown,
  rollupKiB: 4 * pages,
  ...more,
});

describe('predictVictim', () => {
  it('adds up what the kernel does, in pages', async () => {
    const { root } = fakeProc()
      .set(10, precise(1000, 1, { swapKiB: 400, pageTableKiB: 82, oomScoreAdj: 7, oomScore: 671, name: 'a' }))
      .set(11, precise(2000, 2, { name: 'b', oomScore: 667 }));
    const totalPages = 4 * 2 ** 20;
    const { victim, ranking, ...rest } = await predictVictim({ root });
    expect(rest).toMatchObject({
      totalPages,
      preciseSums: 1,
      certain: true,
      approximateVictim: 10,
      scope: { path: null, limit: 16 * 2 ** 30 },
      unseen: 0,
      unseenReason: '',
      policy: 'badness',
      killsGroup: null,
    });
    expect(victim).toMatchObject({ pid: 10, precise: 4_096_000, approximate: 999 * 4096, source: 'statm' });
    const known = 100 + 20 + 7 * Math.floor(totalPages / 1000);
    expect(ranking).toEqual([
      {
        pid: 10,
        name: 'a',
        badness: 1000 + known,
        min: 999 - 192 + known,
        max: 999 + 192 + known,
        oomScore: 671,
        oomScoreAdj: 7,
        observer: false,
      },
      {
        pid: 11,
        name: 'b',
        badness: 2000,
        min: 1998 - 192,
        max: 1998 + 192,
        oomScore: 667,
        oomScoreAdj: 0,
        observer: false,
      },
    ]);
  });

  it('leaves out init, kernel threads, the exempt, and those without memory', async () => {
    const { root } = fakeProc()
      .set(1, precise(9000, 1))
      .set(2, precise(0, 0, { flags: 0x200040 }))
      .set(3, precise(8000, 1, { oomScoreAdj: -1000 }))
      .set(4, precise(0, 0, { state: 'Z' }))
      .set(5, precise(10, 1));
    const { victim, ranking } = await predictVictim({ root });
    expect(victim?.pid).toBe(5);
    expect(ranking.map(({ pid }) => pid)).toEqual([5]);
  });

  it('may find nobody', async () => {
    const { root } = fakeProc().set(1, precise(10));
    expect(await predictVictim({ root })).toMatchObject({
      victim: null,
      ranking: [],
      preciseSums: 0,
      approximateVictim: null,
    });
    const empty = new FakeProc();
    trees.push(empty);
    expect(await predictVictim({ root: empty.root })).toMatchObject({ victim: null, ranking: [] });
  });

  it('chooses by what there is, and says whom approximate figures would take', async () => {
    const { root } = fakeProc(256)
      .set(10, precise(400 * MIB, 350 * MIB))
      .set(11, precise(200 * MIB, -150 * MIB));
    const { victim, certain, approximateVictim } = await predictVictim({ root });
    expect(victim?.pid).toBe(10);
    expect(certain).toBe(true);
    expect(approximateVictim).toBe(11);
  });

  it('takes the later one of two equal ones, as the kernel does', async () => {
    const { root } = fakeProc().set(10, precise(500, 1)).set(11, precise(500, 1)).set(9, precise(499, 1));
    const { victim, ranking, certain } = await predictVictim({ root });
    expect(victim?.pid).toBe(11);
    expect(ranking.map(({ pid }) => pid)).toEqual([11, 10, 9]);
    // The kernel's own list decides, and /proc does not show it.
    expect(certain).toBe(false);
  });

  it('leaves out a process inside vfork, which the kernel scores 0', async () => {
    const { root } = fakeProc()
      .set(10, precise(500, 1, { oomScore: 668 }))
      .set(11, precise(500, 1, { oomScore: 0 }))
      .set(12, precise(100, 1, { oomScore: 667 }));
    const { victim, ranking, certain } = await predictVictim({ root });
    expect(victim?.pid).toBe(10);
    expect(ranking.map(({ pid }) => pid)).toEqual([10, 12]);
    expect(certain).toBe(true);
  });

  it('leaves none out on kernels before 5.9, whose scale gives most processes 0', async () => {
    const { root } = fakeProc()
      .set(10, precise(500, 1, { oomScore: 0 }))
      .set(11, precise(700, 1, { oomScore: 0 }))
      .set(12, precise(100, 1, { oomScore: 0 }));
    expect((await predictVictim({ root })).victim?.pid).toBe(11);
  });

  it('prefers and avoids by name, as many points as earlyoom', async () => {
    const { root } = fakeProc()
      .set(10, precise(5000, 1, { name: 'database' }))
      .set(11, precise(10, 1, { name: 'worker' }));
    expect((await predictVictim({ root })).victim?.name).toBe('database');
    expect((await predictVictim({ root, prefer: /^work/ })).victim?.name).toBe('worker');
    expect((await predictVictim({ root, avoid: /data/ })).victim?.name).toBe('worker');
    // A global expression keeps its place between two calls; ours must not.
    const prefer = /worker/g;
    prefer.lastIndex = 3;
    const { victim, ranking, totalPages } = await predictVictim({ root, prefer });
    expect(victim?.name).toBe('worker');
    const preference = Math.round(0.45 * totalPages);
    expect(ranking[0]).toMatchObject({
      badness: 10 + preference,
      min: preference,
      max: 9 + 192 + preference,
    });
    expect(ranking[1]).toMatchObject({ badness: 5000, min: 4999 - 192, max: 4999 + 192 });
  });

  it('reads the dear file of survivors only, where statm is approximate', async () => {
    const tree = fakeProc(256, 512 * GIB_KIB);
    // What three flat counters can hide on 256 CPUs is 1.5 GiB, so these three can win, and all others cannot.
    tree.set(100, approximate(5000 * MIB, 4800 * MIB)).set(101, approximate(5200 * MIB, 4700 * MIB));
    tree.set(102, approximate(4000 * MIB, 3900 * MIB));
    for (let pid = 1000; pid < 1997; pid++) tree.set(pid, approximate(30 * MIB, 20 * MIB));
    const { victim, preciseSums, certain, ranking, approximateVictim } = await predictVictim({ root: tree.root });
    expect(victim).toMatchObject({ pid: 101, precise: 5200 * 2 ** 20, source: 'smaps_rollup' });
    expect({ preciseSums, certain, approximateVictim, ranked: ranking.length }).toEqual({
      preciseSums: 3,
      certain: true,
      approximateVictim: 100,
      ranked: 1000,
    });
    // With the others' files gone it does the same: nobody looked at them. The first ones tell what kind of tree this is.
    for (let pid = 1020; pid < 1997; pid++) rmSync(join(tree.root, String(pid), 'smaps_rollup'));
    expect((await predictVictim({ root: tree.root })).preciseSums).toBe(3);
  });

  it('is not certain where a survivor may not be looked at', async () => {
    const tree = fakeProc(256)
      .set(10, approximate(300 * MIB, 200 * MIB))
      .set(11, approximate(400 * MIB, 100 * MIB));
    rmSync(join(tree.root, '11', 'smaps_rollup'));
    const { victim, certain } = await predictVictim({ root: tree.root });
    expect(victim?.pid).toBe(10);
    expect(certain).toBe(false);
  });

  it('chooses among a control group and those below it', async () => {
    const tree = fakeProc().set(10, precise(9000, 1)).set(11, precise(50, 1)).set(12, precise(60, 1));
    const group = join(tree.root, 'group');
    mkdirSync(join(group, 'child'), { recursive: true });
    writeFileSync(join(group, 'memory.max'), '4096000\n');
    writeFileSync(join(group, 'cgroup.procs'), '11\n999\n');
    writeFileSync(join(group, 'child', 'cgroup.procs'), '12\n');
    const { victim, ranking, totalPages } = await predictVictim({ root: tree.root, cgroup: group });
    expect(victim?.pid).toBe(12);
    expect(ranking.map(({ pid }) => pid)).toEqual([12, 11]);
    expect(totalPages).toBe(1000);
  });

  it('refuses bad input', async () => {
    const tree = fakeProc();
    expect(await rejected(() => predictVictim(5 as never))).toEqual(typeError('options'));
    expect(await rejected(() => predictVictim({ cgroup: 5 } as never))).toEqual(typeError('options.cgroup'));
    expect(await rejected(() => predictVictim({ prefer: 'x' } as never))).toEqual(
      typeError('options.prefer', 'RegExp'),
    );
    expect(await rejected(() => predictVictim({ avoid: 5 } as never))).toEqual(typeError('options.avoid', 'RegExp'));
    expect(await rejected(() => predictVictim({ root: 5 } as never))).toEqual(typeError('options.root'));
    expect(await rejected(() => predictVictim({ root: join(tree.root, 'x') }))).toEqual(percpuError('ENOENT'));
    expect(await rejected(() => predictVictim({ root: join(tree.root, 'stat') }))).toEqual(percpuError('ENOTDIR'));
    expect(await rejected(() => predictVictim({ cgroup: join(tree.root, 'x') }))).toEqual(percpuError('ENOENT'));
    expect(await rejected(() => predictVictim({ cgroup: join(tree.root, 'stat') }))).toEqual(percpuError('ENOTDIR'));
    expect(await rejected(() => predictVictim({ cgroup: tree.root }))).toEqual(
      percpuError('EINVAL', 'not a memory control group'),
    );
  });

  itUnless(notLinux)('ranks the processes of this machine', async () => {
    const { victim, ranking } = await predictVictim();
    expect(ranking[0]?.pid).toBe(victim?.pid);
    expect(ranking.some(({ pid }) => pid === process.pid)).toBe(true);
    const byBadness = ranking.map(({ badness }) => badness);
    expect(byBadness).toEqual(byBadness.toSorted((a, b) => b - a));
  });
});
