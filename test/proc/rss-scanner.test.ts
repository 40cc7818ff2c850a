import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { childResult, percpu } from '../support/built.js';
import { FakeProc } from '../support/proc-tree.js';

const entry = new URL('../../dist/index.js', import.meta.url).href;
const offLinux = process.platform === 'linux' ? '' : ` (skipped: no /proc on ${process.platform})`;
const trees: FakeProc[] = [];

/** A tree whose processes all are the reader: slow enough for a scan to be under way. */
function treeOfSelf(processes: number): string {
  const tree = new FakeProc();
  trees.push(tree);
  for (let pid = 1; pid <= processes; pid++) symlinkSync('/proc/self', `${tree.root}/${pid}`);
  return tree.root;
}
afterEach(() => {
  for (const tree of trees.splice(0)) tree.remove();
});

/** A module's standard output as JSON, of a process that may have so many files open. */
function resultWithin<T>(openFiles: number, env: Record<string, string>, code: string): T {
  const shell = `ulimit -n ${openFiles}; exec "$0" --input-type=module --eval "$1"`;
  const text = `import * as percpu from ${JSON.stringify(entry)};\n${code}`;
  const environment = { ...process.env, ...env };
  // The test runner's own settings are not for the child.
  delete environment.NODE_OPTIONS;
  const output = execFileSync('/bin/sh', ['-c', shell, process.execPath, text], { env: environment, encoding: 'utf8' });
  return JSON.parse(output) as T;
}

describe.skipIf(offLinux !== '')(`RssScanner${offLinux}`, () => {
  it.each([{}, { PERCPU_NATIVE: '0' }])('ends the scan under way when it is destroyed (%o)', async (env) => {
    const outcome = await childResult<{ codes: string[]; leaked: number }>(
      `import { readdirSync } from 'node:fs';
       import { setTimeout as sleep } from 'node:timers/promises';
       const root = ${JSON.stringify(treeOfSelf(2000))};
       const open = () => readdirSync('/proc/self/fd').length;
       await percpu.scanRss({ root });
       const before = open();
       const codes = [];
       for (let wait = 0; wait < 10; wait++) {
         const scanner = new percpu.RssScanner({ root });
         const scan = scanner.scan().then(() => 'done', ({ code }) => code);
         await sleep(wait);
         scanner.destroy();
         codes.push(await scan);
       }
       console.log(JSON.stringify({ codes, leaked: open() - before }));`,
      env,
    );
    expect(outcome.codes).toContain('ERR_DESTROYED');
    expect(outcome.codes.filter((code) => code !== 'ERR_DESTROYED' && code !== 'done')).toEqual([]);
    expect(outcome.leaked).toBe(0);
  });

  it('says of processes at rest what a first look says, however often it looks', async () => {
    const sleepers = Array.from({ length: 20 }, () => spawn('sleep', ['600'], { stdio: 'ignore' }));
    const pids = sleepers.map(({ pid }) => pid!);
    const scanner = new percpu.RssScanner({ pids });
    try {
      await expect.poll(async () => (await scanner.scan()).every(({ name }) => name === 'sleep')).toBe(true);
      for (let scan = 0; scan < 100; scan++) {
        expect(await scanner.scan()).toEqual(await percpu.scanRss({ pids }));
        // It runs, and nothing about it stays as it was for certain.
        if (scan % 10 === 0) for (const signal of ['SIGSTOP', 'SIGCONT'] as const) sleepers[7]!.kill(signal);
      }
      sleepers[3]!.kill('SIGKILL');
      await once(sleepers[3]!, 'exit');
      expect((await scanner.scan()).map(({ pid }) => pid)).toEqual(pids.toSpliced(3, 1));
    } finally {
      scanner.destroy();
      for (const sleeper of sleepers) sleeper.kill('SIGKILL');
    }
  });

  it('never says of a running process what it said before', async () => {
    // It counts in its name, in one thread, and does not rest.
    const counting = 'i=1000000; while :; do printf %s $i > /proc/$$/comm; i=$((i+1)); done';
    const child = spawn('/bin/sh', ['-c', counting], { stdio: 'ignore' });
    const scanner = new percpu.RssScanner({ pids: [child.pid!] });
    const first = () => percpu.readRss(child.pid!).name;
    try {
      await expect.poll(first).toMatch(/^\d{7}$/);
      for (let scan = 0; scan < 2_000; scan++) {
        const before = Number(first());
        const [reading] = await scanner.scan();
        expect(Number(reading!.name)).toBeGreaterThanOrEqual(before);
      }
      expect(scanner.openFiles).toBeGreaterThan(0);
    } finally {
      scanner.destroy();
      child.kill('SIGKILL');
    }
  });

  it.each([{ PERCPU_NATIVE: '1' }, { PERCPU_NATIVE: '0' }])(
    'keeps no more files than half of the limit (%o)',
    (env) => {
      for (const [limit, kept] of [
        [100, 48],
        [61, 30],
        [140, 69],
      ] as const) {
        const outcome = resultWithin<number[]>(
          limit,
          env,
          `const scanner = new percpu.RssScanner({ root: ${JSON.stringify(treeOfSelf(60))} });
         const outcome = [(await scanner.scan()).length, scanner.openFiles];
         console.log(JSON.stringify([...outcome, (await scanner.scan()).length, scanner.openFiles]));`,
        );
        // Three each, of a tree that is not the kernel's.
        expect(outcome, `within ${limit}`).toEqual([60, kept, 60, kept]);
      }
    },
  );

  it.each([{ PERCPU_NATIVE: '1' }, { PERCPU_NATIVE: '0' }])('gives files back where none are left (%o)', (env) => {
    const outcome = resultWithin<Record<string, unknown>>(
      150,
      env,
      `import { openSync } from 'node:fs';
         const root = ${JSON.stringify(treeOfSelf(40))};
         const scanner = new percpu.RssScanner({ root, maxOpenFiles: 21 });
         const keepsNone = new percpu.RssScanner({ root, maxOpenFiles: 0 });
         const outcome = { first: (await scanner.scan()).length, kept: scanner.openFiles };
         await keepsNone.scan();
         try { for (;;) openSync('/dev/null'); } catch ({ code }) { outcome.full = code; }
         outcome.second = (await scanner.scan()).length;
         scanner.destroy();
         try { for (;;) openSync('/dev/null'); } catch ({ code }) { outcome.full = code; }
         outcome.third = await keepsNone.scan().then((rows) => rows.length, ({ code }) => code);
         console.log(JSON.stringify(outcome));`,
    );
    expect(outcome).toEqual({ first: 40, kept: 21, full: 'EMFILE', second: 40, third: 'EMFILE' });
  });

  it('never takes a shortage of files for a shortage of processes', () => {
    const counts = resultWithin<(number | string)[]>(
      150,
      { PERCPU_NATIVE: '0' },
      `import { closeSync, openSync } from 'node:fs';
       const root = ${JSON.stringify(treeOfSelf(40))};
       const scanner = new percpu.RssScanner({ root, maxOpenFiles: 21 });
       await scanner.scan();
       scanner.destroy();
       const held = [];
       try { for (;;) held.push(openSync('/dev/null')); } catch {}
       const counts = [];
       for (let free = 0; free < 8; free++) {
         const one = await percpu.scanRss({ pids: [process.pid] }).then((rows) => rows.length, ({ code }) => code);
         counts.push(one);
         const all = await percpu.scanRss().then((rows) => rows.some(({ pid }) => pid === process.pid), ({ code }) => code);
         counts.push(all === true ? 1 : all);
         closeSync(held.pop());
       }
       console.log(JSON.stringify(counts));`,
    );
    expect(counts.filter((count) => count !== 1 && count !== 'EMFILE')).toEqual([]);
    expect(counts.slice(-2)).toEqual([1, 1]);
  });
});
