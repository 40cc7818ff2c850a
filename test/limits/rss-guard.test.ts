import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RssGuard, type RssGuardOptions } from '../../lib/limits/rss-guard.js';
import { openTree } from '../../lib/proc/proc-tree.js';
import { runChild } from '../support/built.js';
import { FakeProc, type FakeProcess } from '../support/proc-tree.js';
import { describeUnless, itUnless, notLinux } from '../support/skip.js';
import { rangeError, thrown, typeError } from '../support/thrown.js';

const PID = 7;
const MIB = 256;
const LIMIT = 100 * 2 ** 20;
const precise = (pages: number, shown: number): FakeProcess => ({
  approximate: shown,
  resident: pages,
  rollupKiB: 4 * pages,
});
const approximate = (pages: number, shown: number): FakeProcess => ({
  approximate: shown,
  resident: shown,
  rollupKiB: 4 * pages,
});

let tree: FakeProc;
let guard: RssGuard;
let heard: string[];

beforeEach(() => {
  tree = new FakeProc({ onlineCpus: 256 });
  heard = [];
});
afterEach(() => {
  vi.useRealTimers();
  guard?.stop();
  tree.remove();
});

/** Watches process 7 of the made-up tree, of which another process has told what its files mean. */
function watch(first: FakeProcess, options: Partial<RssGuardOptions> = {}): RssGuard {
  tree.set(PID, first);
  guard = new RssGuard({ limit: LIMIT, pid: PID, intervalMs: 100, ...options }, openTree(tree.root));
  guard.on('exceeded', ({ precise: bytes }) => heard.push(`exceeded ${bytes / 2 ** 20}`));
  guard.on('recovered', ({ precise: bytes }) => heard.push(`recovered ${bytes / 2 ** 20}`));
  guard.on('gone', ({ pid }) => heard.push(`gone ${pid}`));
  return guard.start();
}

/** Lets some looks happen, with files that are read off the event loop. */
const look = () => sleep(120);

describe('RssGuard where statm is precise', () => {
  it('fires once, recovers below the release, and may fire again', async () => {
    vi.useFakeTimers();
    watch(precise(50 * MIB, 45 * MIB));
    await vi.advanceTimersByTimeAsync(250);
    expect(heard).toEqual([]);
    tree.set(PID, precise(101 * MIB, 1));
    await vi.advanceTimersByTimeAsync(500);
    expect(heard).toEqual(['exceeded 101']);
    tree.set(PID, precise(95 * MIB, 1));
    await vi.advanceTimersByTimeAsync(500);
    expect(heard).toEqual(['exceeded 101']);
    tree.set(PID, precise(89 * MIB, 1));
    await vi.advanceTimersByTimeAsync(500);
    expect(heard).toEqual(['exceeded 101', 'recovered 89']);
    tree.set(PID, precise(200 * MIB, 1));
    await vi.advanceTimersByTimeAsync(500);
    expect(heard).toEqual(['exceeded 101', 'recovered 89', 'exceeded 200']);
  });

  it('is silent on a phantom, and not on what hides', async () => {
    vi.useFakeTimers();
    watch(precise(1 * MIB, 400 * MIB));
    await vi.advanceTimersByTimeAsync(500);
    expect(heard).toEqual([]);
    tree.set(PID, precise(400 * MIB, 1));
    await vi.advanceTimersByTimeAsync(500);
    expect(heard).toEqual(['exceeded 400']);
  });

  it('notices that the process has ended, or that its pid is another one’s', async () => {
    vi.useFakeTimers();
    watch(precise(1 * MIB, 1));
    await vi.advanceTimersByTimeAsync(100);
    tree.set(PID, { ...precise(500 * MIB, 1), startTicks: 4711 });
    await vi.advanceTimersByTimeAsync(1000);
    expect(heard).toEqual([`gone ${PID}`]);
    guard.start();
    await vi.advanceTimersByTimeAsync(200);
    expect(heard).toEqual([`gone ${PID}`, 'exceeded 500']);
    tree.end(PID);
    await vi.advanceTimersByTimeAsync(1000);
    expect(heard).toEqual([`gone ${PID}`, 'exceeded 500', `gone ${PID}`]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('counts a zombie as gone', async () => {
    vi.useFakeTimers();
    watch(precise(50 * MIB, 1));
    await vi.advanceTimersByTimeAsync(100);
    tree.set(PID, { state: 'Z' });
    await vi.advanceTimersByTimeAsync(100);
    expect(heard).toEqual([`gone ${PID}`]);
  });

  it('stops, and starts anew', async () => {
    vi.useFakeTimers();
    watch(precise(101 * MIB, 1)).stop();
    guard.stop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(heard).toEqual([]);
    expect(guard.start()).toBe(guard.start());
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1000);
    guard[Symbol.dispose]();
    guard.start();
    await vi.advanceTimersByTimeAsync(1000);
    expect(heard).toEqual(['exceeded 101', 'exceeded 101']);
  });

  it('looks at multiples of the interval, and leaves out what it missed', async () => {
    const INTERVAL_MS = 50;
    const HELD_UP_MS = 2.5 * INTERVAL_MS;
    const looks: number[] = [];
    tree.set(PID, precise(1 * MIB, 1));
    const real = openTree(tree.root);
    const reader = {
      ...real.reader,
      readOne: (...args: Parameters<typeof real.reader.readOne>) => {
        looks.push(performance.now());
        if (looks.length === 2) while (performance.now() - looks[1]! < HELD_UP_MS);
        return real.reader.readOne(...args);
      },
    };
    const start = performance.now();
    guard = new RssGuard({ limit: LIMIT, pid: PID, intervalMs: INTERVAL_MS }, { ...real, reader }).start();
    await expect.poll(() => looks.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(6);
    guard.stop();
    // Timers come late, and up to a millisecond or so early.
    const multiples = Math.round((looks.at(-1)! - start) / INTERVAL_MS) + 1;
    // Two multiples at least passed while the second look was held up. Looks made up for would be more than are left.
    expect(looks.length).toBeLessThanOrEqual(multiples - 2);
    expect(looks[2]! - looks[1]!).toBeGreaterThanOrEqual(HELD_UP_MS);
  });

  it('looks once for a multiple, where timers come early, too', async () => {
    vi.useFakeTimers();
    let looks = 0;
    tree.set(PID, precise(1 * MIB, 1));
    const real = openTree(tree.root);
    const readOne: typeof real.reader.readOne = (...args) => {
      looks++;
      return real.reader.readOne(...args);
    };
    guard = new RssGuard({ limit: LIMIT, pid: PID, intervalMs: 100 }, { ...real, reader: { ...real.reader, readOne } });
    guard.start();
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() - 3);
    try {
      await vi.advanceTimersByTimeAsync(1_050);
    } finally {
      clock.mockRestore();
    }
    expect(looks).toBe(11);
  });
});

describe('RssGuard where statm is approximate', () => {
  it('reads the dear file only where the cheap ones leave it open', async () => {
    watch(approximate(1 * MIB, 0), { limit: 2000 * 2 ** 20, intervalMs: 20 });
    // At most 1,536 MiB more than shown: certainly below, without smaps_rollup.
    rmSync(join(tree.root, String(PID), 'smaps_rollup'));
    const errors: Error[] = [];
    guard.on('error', (error) => errors.push(error));
    await look();
    expect([heard, errors]).toEqual([[], []]);
    // 1,000 shown: it may be above. Denied, that is told once.
    tree.set(PID, { approximate: 1000 * MIB, resident: 1000 * MIB });
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    await look();
    expect(heard).toEqual([]);
    expect(errors).toEqual([expect.objectContaining({ code: 'EACCES', pid: PID })]);
    tree.set(PID, approximate(2100 * MIB, 1000 * MIB));
    await expect.poll(() => heard).toEqual(['exceeded 2100']);
    expect(errors).toHaveLength(1);
  });

  it('fires without the dear file where the cheap ones are enough', async () => {
    tree.set(8, approximate(1 * MIB, 0));
    watch({ approximate: 4000 * MIB, resident: 4000 * MIB }, { limit: 2000 * 2 ** 20, intervalMs: 20 });
    await expect.poll(() => heard).toEqual(['exceeded 4000']);
  });
});

describe('RssGuard', () => {
  it('refuses bad input', () => {
    const make = (options: unknown) => thrown(() => new RssGuard(options as RssGuardOptions, openTree(tree.root)));
    expect(make(5)).toEqual(typeError('options'));
    expect(make({})).toEqual(typeError('options.limit'));
    expect(make({ limit: 0 })).toEqual(rangeError('options.limit', '0'));
    expect(make({ limit: 1.5 })).toEqual(rangeError('options.limit'));
    expect(make({ limit: 9, pid: 0 })).toEqual(rangeError('options.pid'));
    expect(make({ limit: 9, pid: 'self' })).toEqual(typeError('options.pid'));
    expect(make({ limit: 9, intervalMs: 0 })).toEqual(rangeError('options.intervalMs'));
    expect(make({ limit: 9, intervalMs: 2 ** 31 })).toEqual(rangeError('options.intervalMs'));
    expect(make({ limit: 9, releaseBelow: 10 })).toEqual(rangeError('options.releaseBelow', '0 to 9'));
  });

  itUnless(notLinux)('does not keep a process alive, and watches it by default', async () => {
    const { code, stdout } = await runChild({
      code: `const guard = new percpu.RssGuard({ limit: 1, intervalMs: 10 }).start();
        guard.on('exceeded', ({ pid }) => console.log(pid === process.pid));
        setTimeout(() => {}, 200);`,
    });
    expect([code, stdout]).toEqual([0, 'true\n']);
  });

  itUnless(notLinux)('sees a real process grow, and end', async () => {
    const hog = spawn(process.execPath, [
      '-e',
      'setTimeout(() => { globalThis.kept = Buffer.alloc(3e8, 1); }, 300); setTimeout(() => process.exit(), 1500)',
    ]);
    guard = new RssGuard({ limit: 2.5e8, pid: hog.pid!, intervalMs: 20 }).start();
    const exited = once(hog, 'exit');
    const [reading] = await once(guard, 'exceeded');
    expect(reading).toMatchObject({ pid: hog.pid });
    expect(reading.precise).toBeGreaterThan(2.5e8);
    expect(await once(guard, 'gone')).toEqual([{ pid: hog.pid }]);
    await exited;
  });
});

describeUnless(notLinux)('the example of a supervisor', () => {
  it('restarts a service that grows', async () => {
    const example = fileURLToPath(new URL('../../examples/rss-guard.mjs', import.meta.url));
    // Never more than 400 MB, should nobody end it.
    const service = 'const kept = []; setInterval(() => kept.length < 20 && kept.push(Buffer.alloc(2e7, 1)), 50)';
    const supervisor = spawn(process.execPath, [example, '150', process.execPath, '-e', service]);
    let output = '';
    supervisor.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await expect.poll(() => output.match(/restarting/g)?.length ?? 0, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
    const services = () => readFileSync(`/proc/${supervisor.pid}/task/${supervisor.pid}/children`, 'latin1').trim();
    await expect.poll(services).not.toBe('');
    const pid = Number(services());
    supervisor.kill();
    await once(supervisor, 'exit');
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
  });
});
