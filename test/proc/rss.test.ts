import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { native } from '../../lib/native/native.js';
import type { Accounting } from '../../lib/proc/accounting/model.js';
import type { ProcessFiles } from '../../lib/proc/files/process-row.js';
import { tsReader } from '../../lib/proc/files/reader-ts.js';
import type { ProcTree } from '../../lib/proc/proc-tree.js';
import { toDetailedReading, toReading } from '../../lib/proc/reading.js';
import { childResult, percpu } from '../support/built.js';
import { FakeProc } from '../support/proc-tree.js';
import { describeUnless, notLinux } from '../support/skip.js';
import { percpuError, rangeError, rejected, thrown, typeError } from '../support/thrown.js';

const entry = new URL('../../dist/index.js', import.meta.url).href;
const trees: FakeProc[] = [];
function fakeProc(...options: ConstructorParameters<typeof FakeProc>): FakeProc {
  const tree = new FakeProc(...options);
  trees.push(tree);
  return tree;
}
afterEach(() => {
  for (const tree of trees.splice(0)) tree.remove();
});

const files: ProcessFiles = {
  pid: 7,
  name: 'task',
  state: 'S',
  kernelThread: false,
  threads: 2,
  startTicks: 1,
  userTicks: 5,
  systemTicks: 6,
  statRssPages: 1000,
  residentPages: 1100,
  sharedPages: 300,
  fileKiB: 8,
  shmemKiB: 12,
  swapKiB: 16,
  pageTableKiB: 20,
  rollupKiB: null,
  oomScoreAdj: 0,
  oomScore: 0,
};
const flat: Accounting = { model: 'flat-percpu', statmPrecise: true, batch: 32, note: '' };
function tree(changes: Partial<ProcTree> = {}): ProcTree {
  return {
    root: '/x',
    isThisMachine: false,
    reader: tsReader,
    pageBytes: 4096,
    cpus: { online: 2, possible: 2 },
    accounting: flat,
    ...changes,
  };
}

describe('toReading', () => {
  it.each([4096, 16384, 65536])('is in bytes, of pages of %i bytes', (pageBytes) => {
    expect(toDetailedReading(files, tree({ pageBytes }))).toEqual({
      pid: 7,
      name: 'task',
      approximate: 1000 * pageBytes,
      precise: 1100 * pageBytes,
      min: (1000 - 192) * pageBytes,
      max: (1000 + 192) * pageBytes,
      anon: 800 * pageBytes,
      file: 8192,
      shmem: 12288,
      swap: 16384,
      pageTables: 20480,
      source: 'statm',
    });
  });

  it('takes smaps_rollup where statm is approximate, and says so where it is denied', () => {
    const old = tree({ accounting: { ...flat, statmPrecise: false } });
    expect(toReading({ ...files, rollupKiB: 4800 }, old)).toMatchObject({
      precise: 4800 * 1024,
      source: 'smaps_rollup',
    });
    expect(toReading(files, old)).toMatchObject({ precise: 1100 * 4096, source: 'statm' });
  });

  it('never goes below 0, and allows nothing where there is no memory', () => {
    expect(toReading({ ...files, statRssPages: 10 }, tree()).min).toBe(0);
    const zombie = { ...files, state: 'Z', statRssPages: 0, residentPages: 0 };
    expect(toReading(zombie, tree())).toMatchObject({ min: 0, max: 0 });
    expect(toReading({ ...files, kernelThread: true, statRssPages: 0, residentPages: 0 }, tree())).toMatchObject({
      max: 0,
    });
  });
});

describe('a tree of another machine', () => {
  it('tells by itself that its statm is approximate, and how many CPUs it has', () => {
    const { root } = fakeProc({ onlineCpus: 256 })
      .set(7, { approximate: 0, resident: 0, rollupKiB: 411 * 1024 })
      .set(8, { approximate: 500, resident: 500, rollupKiB: 2100 });
    expect(percpu.readRss(7, { root })).toMatchObject({
      approximate: 0,
      precise: 411 * 2 ** 20,
      min: 0,
      max: 3 * 512 * 2 ** 20,
      source: 'smaps_rollup',
    });
  });

  it('tells by itself that its statm is precise', () => {
    const { root } = fakeProc({ onlineCpus: 8 }).set(7, { approximate: 900, resident: 1000, rollupKiB: 4000 });
    expect(percpu.readRss(7, { root })).toMatchObject({
      precise: 4_096_000,
      max: (900 + 3 * 32 * 8) * 4096,
      source: 'statm',
    });
  });

  it('may be empty', async () => {
    const { root } = fakeProc();
    expect(await percpu.scanRss({ root })).toEqual([]);
    expect(thrown(() => percpu.readRss(1, { root }))).toEqual(percpuError('ESRCH', 'no process 1'));
  });
});

describe('bad input', () => {
  const badPids = [0, -1, 2 ** 31, Number.NaN, 1.5, Number.POSITIVE_INFINITY];
  it.each(badPids)('pid %s', async (pid) => {
    const error = rangeError('pid', '1 to 2147483647', String(pid));
    expect(thrown(() => percpu.readRss(pid))).toEqual(error);
    expect(thrown(() => percpu.rss(pid))).toEqual(error);
    expect(await rejected(() => percpu.scanRss({ pids: [1, pid] }))).toEqual(
      rangeError('options.pids[1]', String(pid)),
    );
    expect(thrown(() => new percpu.RssScanner({ pids: [pid] }))).toEqual(rangeError('options.pids[0]', String(pid)));
  });

  it.each(['1', null, {}, 1n])('pid %s of another type', (pid) => {
    expect(thrown(() => percpu.readRss(pid as never))).toEqual(typeError('pid'));
    expect(thrown(() => percpu.rss(pid as never))).toEqual(typeError('pid'));
  });

  it('options', async () => {
    expect(thrown(() => percpu.readRss('self', 5 as never))).toEqual(typeError('options'));
    expect(thrown(() => percpu.readRss('self', { root: 5 } as never))).toEqual(typeError('options.root'));
    expect(await rejected(() => percpu.scanRss({ root: 5 } as never))).toEqual(typeError('options.root'));
    expect(await rejected(() => percpu.scanRss({ pids: 5 } as never))).toEqual(typeError('options.pids'));
    expect(await rejected(() => percpu.scanRss({ signal: 5 } as never))).toEqual(typeError('signal'));
    expect(thrown(() => new percpu.RssScanner({ maxOpenFiles: -1 }))).toEqual(rangeError('options.maxOpenFiles'));
    expect(thrown(() => new percpu.RssScanner({ maxOpenFiles: '1' } as never))).toEqual(
      typeError('options.maxOpenFiles'),
    );
  });

  it('a root that is missing, or a file', async () => {
    const { root } = fakeProc().write(1, 'stat', '');
    expect(await rejected(() => percpu.scanRss({ root: `${root}/none` }))).toEqual(
      percpuError('ENOENT', `${root}/none`),
    );
    expect(await rejected(() => percpu.scanRss({ root: `${root}/1/stat` }))).toEqual(percpuError('ENOTDIR'));
    expect(thrown(() => new percpu.RssScanner({ root: `${root}/none` }))).toEqual(percpuError('ENOENT'));
  });
});

describeUnless(notLinux)('this machine', () => {
  it.each([{}, { PERCPU_NATIVE: '0' }])('has a precise figure for the calling process (%o)', async (env) => {
    // VmRSS and rss() are read at two moments of a process that allocates: they may be some pages apart.
    const { rss, before, after, other } = await childResult<Record<string, number>>(
      `import { existsSync, readFileSync } from 'node:fs';
       const vmRss = () => 1024 * Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1]);
       for (let i = 0; i < 200; i++) { vmRss(); percpu.rss(); }
       const before = vmRss();
       const rss = percpu.rss();
       console.log(JSON.stringify({ rss, before, after: vmRss(), other: percpu.rss(process.pid) }));`,
      env,
    );
    expect(rss!).toBeGreaterThanOrEqual(before! - 2 ** 18);
    expect(rss!).toBeLessThanOrEqual(after! + 2 ** 18);
    expect(Math.abs(other! - rss!)).toBeLessThan(2 ** 20);
  });

  it('agrees with smaps_rollup about a process that holds still', async () => {
    const child = spawn('sleep', ['60']);
    await expect.poll(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8')).toBe('sleep\n');
    const rollup = () =>
      1024 * Number(/^Rss:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/smaps_rollup`, 'latin1'))![1]);
    await expect.poll(() => percpu.rss(child.pid!) - rollup()).toBe(0);
    child.kill('SIGKILL');
  });

  it('has precise figures within their ranges, for every process', async () => {
    const readings = await percpu.scanRss();
    expect(readings.length).toBeGreaterThan(1);
    for (const reading of readings) {
      // Two files of a process that runs are read at two moments.
      const slack = reading.pid === process.pid ? 2 ** 24 : 2 ** 22;
      expect(reading.precise).toBeGreaterThanOrEqual(reading.min - slack);
      expect(reading.precise).toBeLessThanOrEqual(reading.max + slack);
    }
    expect(readings.map(({ pid }) => pid)).toEqual(readings.map(({ pid }) => pid).sort((a, b) => a - b));
  });

  it('says which process is not there', () => {
    expect(thrown(() => percpu.rss(2 ** 22 + 1))).toEqual(percpuError('ESRCH', `no process ${2 ** 22 + 1}`));
  });
});

describeUnless(notLinux)('RssScanner', () => {
  it('serves scans one after another, and none after it is destroyed', async () => {
    const scanner = new percpu.RssScanner({ pids: new Set([process.pid]) });
    const scans = await Promise.all([scanner.scan(), scanner.scan(), scanner.scan()]);
    expect(scans.map((readings) => readings.map(({ pid }) => pid))).toEqual([
      [process.pid],
      [process.pid],
      [process.pid],
    ]);
    const { statmPrecise } = percpu.rssAccounting();
    expect(scanner.openFiles).toBe(native.addon && statmPrecise && existsSync('/proc/self/schedstat') ? 4 : 3);
    const late = scanner.scan();
    scanner.destroy();
    scanner.destroy();
    scanner[Symbol.dispose]();
    expect(await rejected(() => late)).toEqual(percpuError('ERR_DESTROYED', 'scanner'));
    expect(await rejected(() => scanner.scan())).toEqual(percpuError('ERR_DESTROYED', 'scanner'));
    await expect.poll(() => scanner.openFiles).toBe(0);
    const idle = new percpu.RssScanner({ pids: [process.pid] });
    await idle.scan();
    idle.destroy();
    expect(idle.openFiles).toBe(0);
  });

  it('goes on after a scan that was aborted', async () => {
    const scanner = new percpu.RssScanner();
    const aborted = rejected(() => scanner.scan({ signal: AbortSignal.abort(new Error('no')) }));
    const good = scanner.scan();
    expect(await aborted).toEqual(expect.objectContaining({ name: 'AbortError', code: 'ABORT_ERR' }));
    expect((await good).length).toBeGreaterThan(0);
    expect(await rejected(() => scanner.scan({ signal: 5 as never }))).toEqual(typeError('options.signal'));
    expect(await rejected(() => scanner.scan(new AbortController().signal as never))).toEqual(
      typeError('options must be an object with options, as in { signal }'),
    );
    scanner.destroy();
  });

  it('survives a worker that is terminated while scanning', async () => {
    const outcome = await childResult<string>(
      `import { Worker } from 'node:worker_threads';
       const code = \`import { parentPort } from 'node:worker_threads';
         const { RssScanner } = await import(\${JSON.stringify(${JSON.stringify(entry)})});
         const scanner = new RssScanner();
         for (;;) { const scan = scanner.scan(); parentPort.postMessage(0); await scan; }\`;
       for (let i = 0; i < 20; i++) {
         const worker = new Worker(code, { eval: true });
         await new Promise((resolve) => worker.once('message', resolve));
         await new Promise((resolve) => setTimeout(resolve, i % 5));
         await worker.terminate();
       }
       console.log(JSON.stringify('survived'));`,
    );
    expect(outcome).toBe('survived');
  });
});
