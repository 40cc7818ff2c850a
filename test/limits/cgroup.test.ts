import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cgroupTotalPages, groupProcesses, readCgroup } from '../../lib/limits/cgroup.js';
import { machineMemory } from '../../lib/proc/machine-memory.js';
import { percpuError, thrown } from '../support/thrown.js';

const root = mkdtempSync(join(tmpdir(), 'percpu-cgroup-'));
afterAll(() => rmSync(root, { recursive: true }));

let groups = 0;
function group(files: Record<string, string>): string {
  const path = join(root, `group${groups++}`);
  mkdirSync(path);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

const machine = { ramBytes: 2 ** 30, swapBytes: 2 ** 20 * 100, swapFreeBytes: 0, swappiness: 60 };
const pages = (path: string, changes = {}) => cgroupTotalPages(readCgroup(path), { ...machine, ...changes }, 4096);

describe('version 1', () => {
  const v1 = (limit: number | string, more: Record<string, string> = {}) =>
    group({ 'memory.limit_in_bytes': `${limit}\n`, 'memory.swappiness': '60\n', ...more });

  it('shares out its limit and what it may swap', () => {
    expect(pages(v1(409_600))).toBe(100 + 25_600);
    expect(pages(v1(409_600, { 'memory.memsw.limit_in_bytes': '819200\n' }))).toBe(200);
    expect(pages(v1(409_600, { 'memory.memsw.limit_in_bytes': '409600\n' }))).toBe(100);
    expect(pages(v1(409_600, { 'memory.swappiness': '0\n' }))).toBe(100);
    expect(pages(v1(409_600), { swapBytes: 0 })).toBe(100);
  });

  it('shares out the machine without a limit, and a page at the least', () => {
    expect(readCgroup(v1('9223372036854771712')).limitBytes).toBeNull();
    expect(pages(v1('9223372036854771712'))).toBe(262_144 + 25_600);
    expect(pages(v1(0), { swapBytes: 0 })).toBe(1);
  });
});

describe('version 2', () => {
  const v2 = (max: string, more: Record<string, string> = {}) => group({ 'memory.max': `${max}\n`, ...more });

  it('shares out its limit and what it may swap', () => {
    expect(pages(v2('409600'))).toBe(100 + 25_600);
    expect(pages(v2('409600', { 'memory.swap.max': '40960\n' }))).toBe(110);
    expect(pages(v2('409600', { 'memory.swap.max': 'max\n' }))).toBe(100 + 25_600);
    expect(pages(v2('409600', { 'memory.swap.max': '0\n' }))).toBe(100);
    expect(pages(v2('409600'), { swappiness: 0 })).toBe(100);
  });

  it('shares out the machine without a limit', () => {
    expect(pages(v2('max'))).toBe(262_144 + 25_600);
    expect(pages(group({ 'cgroup.controllers': 'cpuset cpu io memory pids\n' }))).toBe(262_144 + 25_600);
    expect(pages(v2('0'), { swapBytes: 0 })).toBe(1);
  });
});

describe('processes', () => {
  it('are those of the group and of all below it', () => {
    const path = group({
      'memory.max': 'max\n',
      'cgroup.procs': '30\n4\n0\n',
      'a/cgroup.procs': '12\n4\n',
      'a/b/cgroup.procs': '7\n',
      'empty/other': '',
    });
    expect(groupProcesses(path)).toEqual({ pids: [4, 7, 12, 30], hidden: 1, isComplete: true });
  });

  it('are not all of them where the list of a group below cannot be read', () => {
    const path = group({ 'memory.max': 'max\n', 'cgroup.procs': '30\n', 'a/cgroup.procs/b': '' });
    expect(groupProcesses(path)).toEqual({ pids: [30], hidden: 1, isComplete: false });
  });

  it('cannot be listed where there is no list', () => {
    expect(thrown(() => groupProcesses(group({})))).toEqual(percpuError('ENOENT', 'cgroup.procs'));
  });
});

describe('bad input', () => {
  it('is named', () => {
    const file = join(group({ file: '' }), 'file');
    expect(thrown(() => readCgroup(join(root, 'nowhere')))).toEqual(percpuError('ENOENT', 'nowhere'));
    expect(thrown(() => readCgroup(file))).toEqual(percpuError('ENOTDIR', file));
    expect(thrown(() => readCgroup(group({})))).toEqual(percpuError('EINVAL', 'not a memory control group'));
    const cpuOnly = group({ 'cgroup.controllers': 'cpu\n', 'cgroup.type': 'domain\n' });
    expect(thrown(() => readCgroup(cpuOnly))).toEqual(percpuError('EINVAL', 'not a memory control group'));
  });

  it.each(['', 'x', '-1', '1.5', '12 34', `${'9'.repeat(30)}`])('the limit %j', (text) => {
    expect(thrown(() => readCgroup(group({ 'memory.max': text })))).toEqual(
      percpuError('EBADMSG', 'does not hold a limit'),
    );
    expect(thrown(() => readCgroup(group({ 'memory.limit_in_bytes': text })))).toEqual(percpuError('EBADMSG'));
  });
});

describe('the machine', () => {
  it('is taken for the usual one where a figure is out of all proportion', () => {
    const nines = '9'.repeat(400);
    const files = { meminfo: `MemTotal: 1024 kB\nSwapTotal: ${nines} kB\n`, 'sys/vm/swappiness': `${nines}\n` };
    expect(machineMemory(group(files))).toEqual({ ramBytes: 2 ** 20, swapBytes: 0, swapFreeBytes: 0, swappiness: 60 });
  });
});
