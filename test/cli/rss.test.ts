import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderRss, SORTS, sorted } from '../../lib/cli/render-rss.js';
import type { RssReading } from '../../lib/proc/reading.js';
import { type ChildOutcome, runChild } from '../support/built.js';
import { runInTerminal, whyNoTerminal } from '../support/in-terminal.js';
import { FakeProc } from '../support/proc-tree.js';
import { describeUnless, notLinux } from '../support/skip.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function percpuCli(...args: string[]): Promise<ChildOutcome> {
  return runChild({ file: '../../dist/cli/main.js', args });
}

/** User and system time of a process: fields 14 and 15 of proc_pid_stat(5). */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

const tree = new FakeProc({ onlineCpus: 256, ramKiB: 2 ** 24 });
beforeAll(() => {
  tree
    .set(10, { name: 'hidden', approximate: 0, resident: 105_000, rollupKiB: 420_000, oomScore: 667 })
    .set(11, { name: 'phantom\u001b[2J', approximate: 104_960, resident: 212, rollupKiB: 848 })
    .set(12, { name: 'small', approximate: 500, resident: 512, rollupKiB: 2048 })
    .set(13, { name: 'zombie', state: 'Z' });
});
afterAll(() => tree.remove());

describeUnless(notLinux)('percpu rss', () => {
  it('shows what there is beside what is reported', async () => {
    const { code, stdout, stderr } = await percpuCli('rss', '--root', tree.root);
    expect([code, stderr]).toEqual([0, '']);
    const [head, ...rows] = stdout.split('\n');
    expect(head).toMatch(/precise +approximate +error/);
    expect(rows[0]).toMatch(/^410\.156 +0\.000 +-410\.156 .* 10 +hidden$/);
    expect(stdout).toMatch(/0\.828 +410\.000 +\+409\.172 .* 11 +phantom\?\[2J\n/);
    expect(stdout).not.toContain('zombie');
    expect(stdout).toContain('3 processes');
  });

  it.each([
    ['error', ['10', '11', '12']],
    ['approximate', ['11', '12', '10']],
    ['pid', ['10', '11', '12']],
    ['name', ['10', '11', '12']],
  ])('sorts by %s', async (sort, pids) => {
    const { stdout } = await percpuCli('rss', '--root', tree.root, '--sort', sort, '--json');
    expect(JSON.parse(stdout).processes.map(({ pid }: RssReading) => String(pid))).toEqual(pids);
  });

  it('shows those without memory and leaves out rows when asked to', async () => {
    expect((await percpuCli('rss', '--root', tree.root, '--all')).stdout).toContain('zombie');
    const { stdout } = await percpuCli('rss', '--root', tree.root, '--limit', '1');
    expect(stdout).not.toContain('small');
    expect(stdout).toContain('2 not shown');
  });

  it('names a PID that is not there, and shows the others', async () => {
    const { code, stdout, stderr } = await percpuCli('rss', '12', '99', '--root', tree.root, '--json');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^percpu: ESRCH: no process 99.*\n$/);
    expect(JSON.parse(stdout).processes).toMatchObject([{ pid: 12, precise: 512 * 4096, approximate: 500 * 4096 }]);
    expect(JSON.parse(stdout).accounting).toHaveProperty('model');
  });

  it('says nothing more where no PID is there', async () => {
    const { code, stdout, stderr } = await percpuCli('rss', '99', '--root', tree.root);
    expect([code, stdout, stderr]).toEqual([1, '', 'percpu: ESRCH: no process 99\n']);
  });

  it('takes PIDs with commas, and speaks of one process in the singular', async () => {
    expect((await percpuCli('rss', '10,12', '--root', tree.root)).stdout).toContain('2 processes, ');
    const { stdout } = await percpuCli('rss', '11', '--root', tree.root);
    expect(stdout).toMatch(/^MiB\. 1 process, 0\.828 MiB, 409\.172 MiB of error\.$/m);
  });

  it('marks figures that a denied smaps_rollup leaves approximate', async () => {
    const mixed = new FakeProc({ onlineCpus: 256 });
    try {
      // On this machine statm is off by more than smaps_rollup allows: only that is precise.
      mixed.set(20, { name: 'seen', approximate: 500, resident: 500, rollupKiB: 400_000 });
      mixed.set(21, { name: 'denied', approximate: 512, resident: 512 });
      const { stdout } = await percpuCli('rss', '--root', mixed.root);
      expect(stdout).toMatch(/^390\.625 .* 20 +seen$/m);
      expect(stdout).toMatch(/^ *~2\.000 .* 21 +denied$/m);
      expect(stdout).toContain('~ approximate too, from statm: smaps_rollup is denied');
      const json = JSON.parse((await percpuCli('rss', '21', '--root', mixed.root, '--json')).stdout);
      expect(json.processes).toMatchObject([{ pid: 21, source: 'statm', observer: false }]);
    } finally {
      mixed.remove();
    }
    expect((await percpuCli('rss', '--root', tree.root)).stdout).not.toContain('~');
  });

  it("marks the command itself, and leaves it out with '--others'", async () => {
    const marked = await percpuCli('rss', '--limit', '1000000');
    expect(marked.stdout).toMatch(/ \*$/m);
    expect(marked.stdout).toContain('* this command or what started it');
    const { processes } = JSON.parse((await percpuCli('rss', '--json')).stdout);
    expect(processes.filter(({ observer }: { observer: boolean }) => observer).length).toBeGreaterThan(0);
    const others = JSON.parse((await percpuCli('rss', '--json', '--others')).stdout).processes;
    expect(others.some(({ observer }: { observer: boolean }) => observer)).toBe(false);
    expect(others.length).toBeGreaterThan(0);
  });

  it('prints no raw name of a real process, in the table and in JSON', async () => {
    const name = 'a\u009b\u202eb\u2066c';
    const code = `require('fs').writeFileSync('/proc/self/comm', ${JSON.stringify(name)}); console.log('ready'); process.stdin.resume();`;
    const child = spawn(process.execPath, ['-e', code]);
    try {
      await once(child.stdout, 'data');
      const pid = String(child.pid);
      expect((await percpuCli('rss', pid)).stdout).toMatch(/ a\?\?b\?c$/m);
      const { stdout } = await percpuCli('rss', pid, '--json');
      expect(stdout).toContain('"a\\u009b\\u202eb\\u2066c"');
      expect(stdout).not.toMatch(/[\u007f-\u009f\p{Cf}]/u);
      expect(JSON.parse(stdout).processes[0].name).toBe(name);
    } finally {
      child.kill();
    }
  });

  it('gives programs an error object without raw characters', async () => {
    const { code, stdout, stderr } = await percpuCli('rss', '--json', '--root', '/no\u009b\u202e');
    expect(code).toBe(1);
    expect(stdout + stderr).not.toMatch(/[\u007f-\u009f\p{Cf}]/u);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'ENOENT',
      message: expect.stringContaining('/no\u009b\u202e'),
    });
  });

  it('ends on the first signal while the reader stalls, and does not grow meanwhile', async () => {
    const many = new FakeProc({ onlineCpus: 2 });
    for (let pid = 1; pid <= 300; pid++) many.set(pid, { approximate: 500, resident: 512, rollupKiB: 2048 });
    const pipe = `${many.root}/pipe`;
    spawnSync('mkfifo', [pipe]);
    // Open for both, so that neither end waits for the other; nothing is ever read.
    const stdout = openSync(pipe, 'r+');
    const args = [main, 'rss', '--watch=0.1', '--json', '--root', many.root];
    const child = spawn(process.execPath, args, { stdio: ['ignore', stdout, 'inherit'] });
    try {
      const written = () => Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${child.pid}/io`, 'latin1'))![1]);
      await expect.poll(written, { timeout: 20_000 }).toBeGreaterThan(60_000);
      await sleep(500);
      const before = cpuTicks(child.pid!);
      await sleep(1_000);
      // Not even looked at: a picture that nobody takes is not made.
      expect(cpuTicks(child.pid!) - before).toBeLessThan(20);
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
      closeSync(stdout);
      many.remove();
    }
  });

  it.each([
    ['--watch=0', 'from 0.1'],
    ['--watch=x', 'from 0.1'],
    ['1,x', 'separated by spaces or commas'],
  ])('says what is meant instead of %s', async (argument, message) => {
    const { code, stderr } = await percpuCli('rss', argument);
    expect(code).toBe(2);
    expect(stderr.split('\n')[0]).toContain(message);
  });

  it('shows this machine', async () => {
    const { code, stdout } = await percpuCli('rss', String(process.pid), '--json');
    expect(code).toBe(0);
    const [reading] = JSON.parse(stdout).processes;
    expect(reading.pid).toBe(process.pid);
    expect(reading.precise).toBeGreaterThan(2 ** 20);
  });

  it.each([['x'], ['0'], ['--sort', 'z'], ['--interval', '0'], ['--limit', '-1'], ['--nonsense']])(
    'refuses %s',
    async (...args) => {
      const { code, stdout, stderr } = await percpuCli('rss', ...args);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^percpu: .*\n\n?Usage: percpu rss/);
    },
  );

  it('ends with 1 where the root is none', async () => {
    const { code, stderr } = await percpuCli('rss', '--root', `${tree.root}/nowhere`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^percpu: ENOENT: .*nowhere.*\n$/);
  });

  it('watches as one JSON document per line where it is not a terminal, and ends well on SIGTERM', async () => {
    const child = spawn(process.execPath, [main, 'rss', '--watch', '--json', '--interval', '0.1', '--root', tree.root]);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await expect.poll(() => output.split('\n').length, { timeout: 20_000 }).toBeGreaterThan(3);
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).toBe(0);
    const documents = output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(documents.every(({ processes }) => processes.length === 3)).toBe(true);
  });
});

const noTerminal = whyNoTerminal() ?? '';

describeUnless(noTerminal)('percpu rss --watch in a terminal', () => {
  it('redraws in place, follows the size, and leaves the terminal clean on Ctrl-C', async () => {
    const watching = `${process.execPath} ${main} rss --watch --interval 0.1 --root ${tree.root}`;
    // Again and again, since a busy machine may not have drawn yet; until the terminal is gone.
    const resizing = 'while sleep 1 && stty rows 8 cols 60 && sleep 1 && stty rows 10 cols 90; do :; done';
    const command = `stty rows 10 cols 90; (${resizing}) </dev/tty 2>/dev/null & exec ${watching}`;
    // Once for the first size and once for the second: what does not change is not written again.
    const when = (shown: string) => shown.split('hidden').length > 2;
    const { code, output } = await runInTerminal(`sh -c '${command}'`, [{ text: '\x03', when }]);
    expect(code).toBe(0);
    expect(output).toContain('hidden');
    const hides = output.lastIndexOf('\x1b[?25l');
    expect(hides).toBeGreaterThanOrEqual(0);
    expect(output.lastIndexOf('\x1b[?25h')).toBeGreaterThan(hides);
    // Lines are erased before they are written anew, never more than the picture has.
    expect(output).toContain('\x1b[2K');
  });
});

describe('a table of 130,000 rows', () => {
  it('prints', { timeout: 60_000 }, () => {
    const figures = {
      approximate: 4096,
      precise: 8192,
      min: 0,
      max: 9e9,
      anon: 1,
      file: 1,
      shmem: 1,
      swap: 1,
      pageTables: 1,
    };
    const readings = Array.from({ length: 130_000 }, (_, at) => ({
      ...figures,
      pid: at + 1,
      name: at % 3 === 0 ? '名前が長い' : `process ${at}`,
      source: 'statm' as const,
    }));
    const accounting = { model: 'flat-percpu' as const, statmPrecise: true, batch: 32, worstCaseBytes: 4096, note: '' };
    const output = { width: 140, colors: pc.createColors(false) };
    const lines = renderRss(readings, accounting, output, { limit: readings.length });
    expect(lines.length).toBeGreaterThan(130_000);
    expect(lines[130_000]).toContain('130000');
  });
});

describe('sorted', () => {
  it('never loses a process, and puts equal ones in order of their pids', () => {
    const reading = {
      name: 'x',
      approximate: 1,
      precise: 1,
      min: 0,
      max: 2,
      anon: 0,
      file: 0,
      shmem: 0,
      swap: 0,
      pageTables: 0,
    };
    const readings = [3, 1, 2].map((pid) => ({ ...reading, pid, source: 'statm' as const }));
    for (const sort of SORTS) expect(sorted(readings, sort).map(({ pid }) => pid)).toEqual([1, 2, 3]);
  });
});
