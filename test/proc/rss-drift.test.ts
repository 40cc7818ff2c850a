import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pageBytes } from '../../lib/page-bytes.js';
import { rssDrift } from '../../lib/proc/rss-drift.js';
import { writeTree } from '../support/sys-tree.js';

interface FakeProcess {
  pid: number;
  name: string;
  state?: string;
  flags?: number;
  statPages: number;
  statmPages: number;
}

function procFiles({ pid, name, state = 'S', flags = 0x40_0000, statPages, statmPages }: FakeProcess) {
  const afterRss = '18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0';
  return {
    [`${pid}/stat`]: `${pid} (${name}) ${state} 1 1 1 0 -1 ${flags} 0 0 0 0 0 0 0 0 20 0 1 0 99 1000 ${statPages} ${afterRss}\n`,
    [`${pid}/statm`]: `9999 ${statmPages} 10 1 0 100 0\n`,
  };
}

function fakeProc(processes: FakeProcess[], more: Record<string, string> = {}): string {
  return writeTree({ uptime: '1.00 1.00\n', ...Object.assign({}, ...processes.map(procFiles)), ...more });
}

describe('rssDrift on a made-up /proc', () => {
  it('holds stat against statm, by ascending pid', () => {
    const root = fakeProc([
      { pid: 100, name: 'equal', statPages: 50, statmPages: 50 },
      { pid: 9, name: 'shows less', statPages: 0, statmPages: 105_172 },
      { pid: 1000, name: ') Z 1 (', statPages: 104_960, statmPages: 212 },
    ]);
    const page = pageBytes();
    expect(rssDrift({ root })).toEqual([
      { pid: 9, name: 'shows less', statBytes: 0, statmBytes: 105_172 * page, errorBytes: -105_172 * page },
      { pid: 100, name: 'equal', statBytes: 50 * page, statmBytes: 50 * page, errorBytes: 0 },
      {
        pid: 1000,
        name: ') Z 1 (',
        statBytes: 104_960 * page,
        statmBytes: 212 * page,
        errorBytes: (104_960 - 212) * page,
      },
    ]);
  });

  it('leaves out kernel threads, zombies and what has no memory', () => {
    const root = fakeProc([
      { pid: 2, name: 'kthreadd', flags: 0x0020_8040, statPages: 5, statmPages: 5 },
      { pid: 3, name: 'zombie', state: 'Z', statPages: 5, statmPages: 0 },
      { pid: 4, name: 'dead', state: 'X', statPages: 5, statmPages: 0 },
      { pid: 5, name: 'ending', statPages: 0, statmPages: 0 },
      { pid: 6, name: 'stays', statPages: 7, statmPages: 7 },
    ]);
    expect(rssDrift({ root }).map(({ name }) => name)).toEqual(['stays']);
  });

  it('skips what has vanished or cannot be understood', () => {
    const whole = { pid: 8, name: 'whole', statPages: 7, statmPages: 7 };
    const { '8/stat': stat = '', '8/statm': statm = '' } = procFiles(whole);
    const root = fakeProc([whole], {
      '10/status': 'Name:\tno stat\n',
      '11/stat': stat,
      '12/stat': stat.slice(0, 60),
      '12/statm': statm,
      '13/stat': stat,
      '13/statm': '',
      '14': 'a file',
      'self/stat': stat,
      'self/statm': statm,
    });
    expect(rssDrift({ root }).map(({ pid }) => pid)).toEqual([8]);
  });

  it('finds nobody in an empty tree', () => {
    expect(rssDrift({ root: fakeProc([]) })).toEqual([]);
  });

  it('says what is wrong with a root', () => {
    const root = fakeProc([]);
    const missing = join(root, 'missing');
    const expected = (code: string, path: string) => expect.objectContaining({ name: 'PercpuError', code, path });
    expect(() => rssDrift({ root: missing })).toThrow(expected('ENOENT', missing));
    expect(() => rssDrift({ root: join(root, 'uptime') })).toThrow(expected('ENOTDIR', join(root, 'uptime')));
    expect(() => rssDrift({ root: 1 as unknown as string })).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
    );
  });
});

describe.skipIf(process.platform === 'linux')('rssDrift away from Linux', () => {
  it('is refused', () => {
    expect(() => rssDrift()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED_PLATFORM' }));
  });
});

describe.skipIf(process.platform !== 'linux')('rssDrift on this machine', () => {
  it('finds this process, with the figure Node reports', () => {
    const own = rssDrift().find(({ pid }) => pid === process.pid);
    const reported = process.memoryUsage.rss();
    expect(own?.statBytes).toBeGreaterThan(reported / 2);
    expect(own?.statBytes).toBeLessThan(reported * 2);
    expect(own?.errorBytes).toBe(own!.statBytes - own!.statmBytes);
  });

  it('keeps on while processes come and go', async () => {
    const shell = spawn('sh', ['-c', 'while :; do true | true; done'], { stdio: 'ignore' });
    try {
      await new Promise((resolve) => shell.once('spawn', resolve));
      for (let round = 0; round < 50; round++) {
        const pids = rssDrift().map(({ pid }) => pid);
        expect(pids).toContain(process.pid);
        expect(new Set(pids).size).toBe(pids.length);
      }
    } finally {
      shell.kill('SIGKILL');
    }
  });

  it('refuses where /proc is not that of Linux', () => {
    const { platform } = process;
    Object.defineProperty(process, 'platform', { value: 'freebsd' });
    try {
      expect(() => rssDrift()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED_PLATFORM' }));
    } finally {
      Object.defineProperty(process, 'platform', { value: platform });
    }
  });
});
