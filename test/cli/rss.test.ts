import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SORTS, sorted } from '../../lib/cli/render-rss.js';
import type { RssReading } from '../../lib/proc/rss.js';
import { type ChildOutcome, runChild } from '../support/built.js';
import { runInTerminal, whyNoTerminal } from '../support/in-terminal.js';
import { FakeProc } from '../support/proc-tree.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function percpuCli(...args: string[]): Promise<ChildOutcome> {
  return runChild({ file: '../../dist/cli/main.js', args });
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

describe.skipIf(process.platform !== 'linux')('percpu rss', () => {
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

const noTerminal = whyNoTerminal();

describe.skipIf(noTerminal)(`percpu rss --watch in a terminal${noTerminal ? ` (skipped: ${noTerminal})` : ''}`, () => {
  it('redraws in place, follows the size, and leaves the terminal clean on Ctrl-C', async () => {
    const watching = `${process.execPath} ${main} rss --watch --interval 0.1 --root ${tree.root}`;
    const command = `stty rows 10 cols 90; (sleep 1; stty rows 8 cols 60 </dev/tty; kill -WINCH $PPID 2>/dev/null) & exec ${watching}`;
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
