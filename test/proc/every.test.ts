import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { RssScanner } from '../../lib/proc/rss-scanner.js';
import { childResult } from '../support/built.js';
import { FakeProc } from '../support/proc-tree.js';
import { percpuError, rangeError, rejected, thrown, typeError } from '../support/thrown.js';

let tree: FakeProc;
afterEach(() => tree.remove());

function scannerOf(processes: number[]): RssScanner<{ root: string; breakdown: false; maxOpenFiles: 0 }> {
  tree = new FakeProc({ onlineCpus: 2 });
  for (const pid of processes) tree.set(pid, { resident: 5 });
  // A file of this tree outlives its process while it is open.
  return new RssScanner({ root: tree.root, breakdown: false, maxOpenFiles: 0 });
}

describe('every()', () => {
  it('yields at once and then again, with who came and went since', async () => {
    const scanner = scannerOf([10, 11, 12]);
    const seen: object[] = [];
    for await (const { readings, started, ended, at } of scanner.every(20)) {
      expect(Math.abs(at - Date.now())).toBeLessThan(60_000);
      seen.push({ pids: readings.map(({ pid }) => pid), started, ended });
      if (seen.length === 1) tree.end(10).set(13, { resident: 5 });
      // The pid has passed to another process.
      if (seen.length === 2) tree.end(11).set(11, { resident: 5, startTicks: 77 });
      if (seen.length === 4) break;
    }
    expect(seen).toEqual([
      { pids: [10, 11, 12], started: [], ended: [] },
      { pids: [11, 12, 13], started: [13], ended: [10] },
      { pids: [11, 12, 13], started: [11], ended: [11] },
      { pids: [11, 12, 13], started: [], ended: [] },
    ]);
    scanner.destroy();
  });

  it('keeps to multiples of the interval, and makes no scan ahead', async () => {
    const scanner = scannerOf([10]);
    const begin = performance.now();
    const times: number[] = [];
    for await (const _ of scanner.every(50)) {
      times.push(performance.now() - begin);
      // Longer than the interval: the next multiple has passed by then.
      if (times.length === 1) await sleep(120);
      if (times.length === 3) break;
    }
    expect(times[1]!).toBeGreaterThanOrEqual(145);
    expect(times[2]!).toBeGreaterThanOrEqual(195);
    scanner.destroy();
  });

  it('ends with the signal, also between two scans, and the scanner lives on', async () => {
    const scanner = scannerOf([10]);
    const controller = new AbortController();
    const run = async () => {
      for await (const _ of scanner.every(3_600_000, { signal: controller.signal })) {
        setTimeout(() => controller.abort(new Error('enough')), 10);
      }
    };
    expect(await rejected(run)).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
    expect(await rejected(run)).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
    expect(await scanner.scan()).toHaveLength(1);
    scanner.destroy();
  });

  it('ends when the scanner is destroyed between two scans, and during one', async () => {
    const scanner = scannerOf([10]);
    const run = async () => {
      for await (const _ of scanner.every(3_600_000)) setTimeout(() => scanner.destroy(), 10);
    };
    expect(await rejected(run)).toEqual(percpuError('ERR_DESTROYED'));
    const another = scannerOf([10]);
    const loop = another.every(1);
    const first = loop.next();
    another.destroy();
    expect(await rejected(() => first)).toEqual(percpuError('ERR_DESTROYED'));
    expect(await loop.next()).toEqual({ done: true, value: undefined });
  });

  it('ends where the root vanishes', async () => {
    const scanner = scannerOf([10]);
    const run = async () => {
      for await (const _ of scanner.every(1)) rmSync(tree.root, { recursive: true });
    };
    expect(await rejected(run)).toEqual(percpuError('ENOENT'));
    scanner.destroy();
  });

  it('leaves nothing behind that keeps the process alive', async () => {
    const scanner = scannerOf([10]);
    const program = `const scanner = new percpu.RssScanner({ root: ${JSON.stringify(tree.root)} });
      let scans = 0;
      for await (const _ of scanner.every(5)) if (++scans === 3) break;
      console.log(JSON.stringify(scans));`;
    expect(await childResult(program)).toBe(3);
    scanner.destroy();
  });

  it('refuses bad input at once', () => {
    const scanner = scannerOf([10]);
    expect(thrown(() => scanner.every(0))).toEqual(rangeError('intervalMs'));
    expect(thrown(() => scanner.every(2 ** 31))).toEqual(rangeError('intervalMs'));
    expect(thrown(() => scanner.every('1' as unknown as number))).toEqual(typeError('intervalMs'));
    expect(thrown(() => scanner.every(1, { signal: 1 as unknown as AbortSignal }))).toEqual(
      typeError('options.signal'),
    );
    expect(thrown(() => scanner.every(1, { sgnal: 1 } as object))).toEqual(typeError('sgnal'));
    scanner.destroy();
  });
});

it.each(['breakdown', 'identity', 'cpu', 'all'])('%s is a boolean', (name) => {
  expect(thrown(() => new RssScanner({ [name]: 1 }))).toEqual(typeError(`options.${name}`));
});
