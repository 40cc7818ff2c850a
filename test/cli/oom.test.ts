import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ChildOutcome, runChild } from '../support/built.js';
import { FakeProc } from '../support/proc-tree.js';
import { describeUnless, notLinux } from '../support/skip.js';

function percpuCli(...args: string[]): Promise<ChildOutcome> {
  return runChild({ file: '../../dist/cli/main.js', args });
}

const tree = new FakeProc({ onlineCpus: 256, ramKiB: 2 ** 24 });
const group = join(tree.root, 'group');
beforeAll(() => {
  tree
    .set(10, { name: 'database', approximate: 1000, resident: 105_000, rollupKiB: 420_000, oomScore: 667 })
    .set(11, { name: 'worker', approximate: 104_960, resident: 50_000, rollupKiB: 200_000, oomScoreAdj: 1 });
  mkdirSync(group);
  writeFileSync(join(group, 'memory.max'), '409600000\n');
  writeFileSync(join(group, 'cgroup.procs'), '11\n');
});
afterAll(() => tree.remove());

describeUnless(notLinux)('percpu oom', () => {
  it('names the victim, the reason and the certainty, and says that nothing is killed', async () => {
    const { code, stdout, stderr } = await percpuCli('oom', '--root', tree.root);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Victim +database \(PID 10\): 410\.156 MiB resident/);
    expect(stdout).toMatch(/16 GiB \(4,194,304 pages\)/);
    expect(stdout).toMatch(/uses approximate figures kills\s+worker\s+\(PID 11\)/);
    expect(stdout).toContain('Nothing is killed.');
    expect(stdout.indexOf('database')).toBeLessThan(stdout.lastIndexOf('worker'));
  });

  it('takes a control group, preferences and a limit', async () => {
    const { stdout } = await percpuCli('oom', '--root', tree.root, '--cgroup', group);
    expect(stdout).toMatch(/Victim +worker/);
    expect(stdout).toContain('(100,000 pages)');
    const avoided = await percpuCli('oom', '--root', tree.root, '--avoid', '^data', '--limit', '1');
    expect(avoided.stdout).toMatch(/Victim +worker/);
    expect(avoided.stdout).toContain('and 1 more');
  });

  it('prints the prediction as JSON', async () => {
    const { stdout } = await percpuCli('oom', '--root', tree.root, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      victim: { pid: 10 },
      ranking: [{ pid: 10 }, { pid: 11 }],
      totalPages: 4_194_304,
      certain: true,
      approximateVictim: 11,
    });
  });

  it.each([['x'], ['--prefer', '('], ['--limit', '0'], ['--nonsense']])('refuses %s', async (...args) => {
    const { code, stdout, stderr } = await percpuCli('oom', ...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^percpu: .*\n\n?Usage: percpu oom/);
  });

  it.each([
    ['nowhere', 'ENOENT'],
    ['meminfo', 'ENOTDIR'],
    ['10', 'EINVAL'],
  ])('ends with 1 for the group %s', async (name, code) => {
    const outcome = await percpuCli('oom', '--cgroup', join(tree.root, name));
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(new RegExp(`^percpu: ${code}: .*\n$`));
  });
});
