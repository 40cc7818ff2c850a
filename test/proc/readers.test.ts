import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type ProcessFiles, Want } from '../../lib/proc/files/process-row.js';
import type { ProcReader } from '../../lib/proc/files/reader.js';
import { readers } from '../support/proc-readers.js';
import {
  AWKWARD_NAMES,
  FakeProc,
  type FakeProcess,
  rollupText,
  statmText,
  statText,
  statusText,
} from '../support/proc-tree.js';
import { randomIntegers, testSeed } from '../support/random.js';
import { itUnless, notLinux } from '../support/skip.js';
import { thrown } from '../support/thrown.js';

const trees: FakeProc[] = [];
function fakeProc(...options: ConstructorParameters<typeof FakeProc>): FakeProc {
  const tree = new FakeProc(...options);
  trees.push(tree);
  return tree;
}
afterEach(() => {
  for (const tree of trees.splice(0)) tree.remove();
});

const EVERYTHING = Want.ROLLUP | Want.OOM | Want.STATUS | Want.CPU;

async function scanAll(reader: ProcReader, root: string, want = 0, pids?: number[]): Promise<ProcessFiles[]> {
  const scanner = reader.openScanner(root, 0);
  try {
    return await scanner.scan({ want, ...(pids && { pids }) });
  } finally {
    scanner.close();
  }
}

describe.each(readers)('the $name reader$skipped', ({ reader: maybe }) => {
  const reader = maybe as ProcReader;
  const test = it.skipIf(!maybe);
  const liveTest = it.skipIf(!maybe || process.platform !== 'linux');
  const asRoot = process.getuid?.() === 0 ? ' (skipped: root may read everything)' : '';
  const userTest = it.skipIf(!maybe || asRoot !== '');

  test('gives every figure in its own unit', () => {
    const tree = fakeProc().set(42, {
      name: 'a worker',
      state: 'R',
      threads: 7,
      startTicks: 987654,
      approximate: 1000,
      resident: 1234,
      shared: 400,
      userTicks: 123,
      systemTicks: 45,
      rollupKiB: 4936,
      fileKiB: 22,
      shmemKiB: 33,
      swapKiB: 44,
      pageTableKiB: 55,
      oomScoreAdj: -17,
      oomScore: 700,
    });
    const files: ProcessFiles = {
      pid: 42,
      name: 'a worker',
      state: 'R',
      kernelThread: false,
      threads: 7,
      startTicks: 987654,
      userTicks: 123,
      systemTicks: 45,
      statRssPages: 1000,
      residentPages: 1234,
      sharedPages: 400,
      fileKiB: 22,
      shmemKiB: 33,
      swapKiB: 44,
      pageTableKiB: 55,
      rollupKiB: 4936,
      oomScoreAdj: -17,
      oomScore: 700,
    };
    expect(reader.readOne(tree.root, 42, EVERYTHING)).toEqual(files);
    const least = {
      ...files,
      ...{ userTicks: 0, systemTicks: 0, oomScoreAdj: 0, oomScore: 0, rollupKiB: null },
      ...{ fileKiB: 0, shmemKiB: 0, swapKiB: 0, pageTableKiB: 0 },
    };
    expect(reader.readOne(tree.root, 42, 0)).toEqual(least);
    expect(reader.readOne(tree.root, 42, Want.CPU)).toEqual({ ...least, userTicks: 123, systemTicks: 45 });
    const { fileKiB, shmemKiB, swapKiB, pageTableKiB } = files;
    const breakdown = { fileKiB, shmemKiB, swapKiB, pageTableKiB };
    expect(reader.readOne(tree.root, 42, Want.STATUS)).toEqual({ ...least, ...breakdown });
  });

  test.each(AWKWARD_NAMES)('keeps the name %j', (name) => {
    const tree = fakeProc().set(5, { name, approximate: 10, resident: 11 });
    expect(reader.readOne(tree.root, 5, 0)).toMatchObject({ name, statRssPages: 10, residentPages: 11 });
  });

  test('reads bytes that are no UTF-8 as U+FFFD', () => {
    const tree = fakeProc().set(5, { name: Uint8Array.of(97, 0xff, 98) });
    expect(reader.readOne(tree.root, 5, 0).name).toBe('a\ufffdb');
  });

  test('has one zero', () => {
    const tree = fakeProc().set(5, {}).write(5, 'oom_score_adj', '-0\n');
    expect(reader.readOne(tree.root, 5, Want.OOM).oomScoreAdj).toBe(0);
  });

  test('finds the memory of a process whose first thread has ended', async () => {
    const living: FakeProcess = {
      name: 'other',
      threads: 3,
      startTicks: 2,
      approximate: 490,
      resident: 500,
      rollupKiB: 2000,
      fileKiB: 1000,
    };
    const tree = fakeProc()
      .set(5, { name: 'first', state: 'Z', threads: 3, startTicks: 1, oomScoreAdj: 7, oomScore: 8 })
      .set(5, { state: 'Z', threads: 3 }, 5)
      // It has ended as well, and is not gone yet.
      .set(5, { state: 'Z', threads: 3 }, 20)
      .set(5, living, 101)
      .set(5, { ...living, resident: 1 }, 1000)
      .set(6, { state: 'Z', threads: 2 });
    const whole = reader.readOne(tree.root, 5, EVERYTHING);
    expect(whole).toMatchObject({
      pid: 5,
      name: 'first',
      startTicks: 1,
      state: 'S',
      threads: 3,
      oomScoreAdj: 7,
      oomScore: 8,
    });
    expect(whole).toMatchObject({ residentPages: 500, statRssPages: 490, fileKiB: 1000, rollupKiB: 2000 });
    expect(reader.readOne(tree.root, 6, 0)).toMatchObject({ state: 'Z', residentPages: 0 });
    const scanner = reader.openScanner(tree.root, 100);
    for (let scan = 0; scan < 2; scan++) expect((await scanner.scan({ want: EVERYTHING }))[0]).toEqual(whole);
    scanner.close();
  });

  test('knows zombies and kernel threads', () => {
    const tree = fakeProc().set(5, { state: 'Z' }).set(6, { flags: 0x200040 });
    expect(reader.readOne(tree.root, 5, 0)).toMatchObject({ state: 'Z', residentPages: 0, fileKiB: 0, swapKiB: 0 });
    expect(reader.readOne(tree.root, 6, 0)).toMatchObject({ kernelThread: true, pageTableKiB: 0 });
  });

  test('goes without a smaps_rollup that is not there, or makes no sense', () => {
    const tree = fakeProc().set(5, { resident: 3 }).set(6, { resident: 3 }).write(6, 'smaps_rollup', 'Rss: x kB\n');
    expect(reader.readOne(tree.root, 5, EVERYTHING).rollupKiB).toBeNull();
    expect(reader.readOne(tree.root, 6, EVERYTHING).rollupKiB).toBeNull();
  });

  test('names the process that is not there, the file that makes no sense, and the root that is none', () => {
    const tree = fakeProc().set(5, {}).write(5, 'statm', 'nonsense').set(6, {}).write(6, 'status', 'RssFile:\t12');
    writeFileSync(join(tree.root, '7'), 'a file');
    const codeAndPath = (root: string, pid: number | 'self') => {
      try {
        return reader.readOne(root, pid, Want.STATUS);
      } catch (error) {
        const { code, path } = error as NodeJS.ErrnoException;
        return [code, path];
      }
    };
    expect(codeAndPath(tree.root, 4)).toEqual(['ESRCH', `${tree.root}/4/stat`]);
    expect(codeAndPath(tree.root, 'self')).toEqual(['ESRCH', `${tree.root}/self/stat`]);
    expect(codeAndPath(tree.root, 5)).toEqual(['EBADMSG', `${tree.root}/5/statm`]);
    expect(codeAndPath(tree.root, 6)).toEqual(['EBADMSG', `${tree.root}/6/status`]);
    expect(codeAndPath(`${tree.root}/nowhere`, 5)).toEqual(['ENOENT', `${tree.root}/nowhere`]);
    expect(codeAndPath(`${tree.root}/7`, 5)).toEqual(['ENOTDIR', `${tree.root}/7`]);
  });

  test('scans every process by ascending pid, and leaves out what makes no sense', async () => {
    const tree = fakeProc().set(100, { resident: 1 }).set(9, { resident: 2 }).set(2000, { resident: 3 });
    tree.set(50, {}).write(50, 'stat', '').set(51, {}).end(51).write(52, 'stat', 'x');
    for (const name of ['self', '0', '007', '1x', '99999999999']) mkdirSync(join(tree.root, name));
    expect((await scanAll(reader, tree.root)).map(({ pid }) => pid)).toEqual([9, 100, 2000]);
    expect((await scanAll(reader, tree.root, 0, [2000, 3, 9])).map(({ pid }) => pid)).toEqual([2000, 9]);
    expect(await scanAll(reader, tree.root, 0, [])).toEqual([]);
    expect((await scanAll(reader, tree.root, EVERYTHING, [100]))[0]).toEqual(
      reader.readOne(tree.root, 100, EVERYTHING),
    );
  });

  test('says what is wrong with a root when scanning, too', async () => {
    const tree = fakeProc().write(1, 'stat', '');
    await expect(scanAll(reader, `${tree.root}/nowhere`)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(scanAll(reader, `${tree.root}/1/stat`)).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(scanAll(reader, `${tree.root}/nowhere`, 0, [1])).rejects.toMatchObject({ code: 'ENOENT' });
  });

  liveTest('keeps files open within the bound, and gives them back', async () => {
    const tree = fakeProc();
    for (let pid = 1; pid <= 40; pid++) tree.set(pid, { resident: pid });
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    const scanner = reader.openScanner(tree.root, 32);
    for (let scan = 0; scan < 3; scan++) {
      expect(await scanner.scan({ want: 0 })).toHaveLength(40);
      expect(scanner.openFiles).toBe(30);
      expect(open() - before).toBe(30);
    }
    // Those that have ended are given back, and others get their places.
    for (let pid = 1; pid <= 35; pid++) tree.end(pid);
    await scanner.scan({ want: 0, pids: [36, 37, 38, 39, 40] });
    await scanner.scan({ want: 0, pids: [36, 37, 38, 39, 40] });
    expect(scanner.openFiles).toBe(15);
    scanner.close();
    scanner.close();
    expect(open() - before).toBe(0);
  });

  liveTest('never takes a process for another one that had its pid', async () => {
    const first = spawn('sleep', ['60']);
    const scanner = reader.openScanner('/proc', 300);
    const [before] = await scanner.scan({ want: 0, pids: [first.pid!] });
    expect(before).toMatchObject({ pid: first.pid, name: 'sleep' });
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(await scanner.scan({ want: 0, pids: [first.pid!] })).toEqual([]);
    expect(scanner.openFiles).toBe(0);
    scanner.close();
  });

  liveTest('goes on while processes come and go', async () => {
    const scanner = reader.openScanner('/proc', 3000);
    let running = true;
    const churn = (async () => {
      while (running) {
        const child = spawn('true');
        await once(child, 'exit');
      }
    })();
    for (let scan = 0; scan < 60; scan++) {
      const rows = await scanner.scan({ want: Want.OOM });
      expect(rows.some(({ pid }) => pid === process.pid)).toBe(true);
    }
    running = false;
    await churn;
    scanner.close();
  });

  test('ends a scan when told to', async () => {
    const tree = fakeProc();
    for (let pid = 1; pid <= 300; pid++) tree.set(pid, {});
    const scanner = reader.openScanner(tree.root, 0);
    const controller = new AbortController();
    const scan = scanner.scan({ want: 0, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(scan).rejects.toMatchObject({ code: 'ABORT_ERR', cause: { message: 'enough' } });
    expect(await scanner.scan({ want: 0 })).toHaveLength(300);
    scanner.close();
  });

  userTest(`leaves out what this user may not read${asRoot}`, async () => {
    const tree = fakeProc().set(5, {}).set(6, {});
    chmodSync(join(tree.root, '5', 'stat'), 0);
    expect((await scanAll(reader, tree.root)).map(({ pid }) => pid)).toEqual([6]);
    expect(thrown(() => reader.readOne(tree.root, 5, 0))).toMatchObject({ code: 'EACCES' });
  });
});

const [typescript, native] = readers;

describe.skipIf(!native!.reader)(`both readers${native!.skipped}`, () => {
  const outcome = (reader: ProcReader, root: string) => {
    try {
      return reader.readOne(root, 7, EVERYTHING);
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  /** Every file as it is, cut at every byte, and with every byte changed: both readers make the same of it. */
  function* variants(text: Uint8Array, below: (limit: number) => number): Generator<Uint8Array> {
    for (let length = 0; length <= text.length; length++) yield text.subarray(0, length);
    const telling = Buffer.from('() \n\t-+.0129kBZ:\0\xff', 'latin1');
    for (let at = 0; at < text.length; at++) {
      const changed = Uint8Array.from(text);
      changed[at] = telling[below(telling.length)]!;
      yield changed;
    }
  }

  it.each([
    ['stat', () => statText(7, { name: 'a (b) c', approximate: 123, threads: 2 })],
    ['statm', () => Buffer.from(statmText({ resident: 456 }))],
    ['status', () => Buffer.from(statusText({ fileKiB: 22, shmemKiB: 333, swapKiB: 0, pageTableKiB: 9 }))],
    ['smaps_rollup', () => Buffer.from(rollupText(4711))],
    ['oom_score_adj', () => Buffer.from('-1000\n')],
    ['oom_score', () => Buffer.from('1333\n')],
  ] as const)(`make the same of every damaged %s (SEED=${testSeed})`, (file, make) => {
    const below = randomIntegers(testSeed);
    const tree = fakeProc().set(7, { resident: 5, rollupKiB: 20 });
    let readable = 0;
    for (const content of variants(make(), below)) {
      tree.write(7, file, content);
      const expected = outcome(typescript!.reader!, tree.root);
      expect(outcome(native!.reader!, tree.root), JSON.stringify(Buffer.from(content).toString('latin1'))).toEqual(
        expected,
      );
      if (typeof expected === 'string') {
        expect(expected).toBe('EBADMSG');
        continue;
      }
      readable++;
      for (const [name, figure] of Object.entries(expected)) {
        if (typeof figure !== 'number') continue;
        expect(Number.isSafeInteger(figure)).toBe(true);
        if (!name.startsWith('oom')) expect(figure).toBeGreaterThanOrEqual(0);
      }
    }
    expect(readable).toBeGreaterThan(0);
  });

  itUnless(notLinux)('agree on a live process that holds still', async () => {
    const child = spawn('sleep', ['60']);
    await expect.poll(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8')).toBe('sleep\n');
    // Its name is new before its libraries are loaded: both are asked again until it holds still.
    await expect
      .poll(() => {
        const [a, b] = [typescript!, native!].map(({ reader }) => reader!.readOne('/proc', child.pid!, EVERYTHING));
        return isDeepStrictEqual(a, b);
      })
      .toBe(true);
    child.kill('SIGKILL');
  });
});
