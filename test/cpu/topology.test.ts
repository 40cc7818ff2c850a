import { execFileSync } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import os from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseCpuList } from '../../lib/cpu/cpu-list.js';
import { type Topology, type TopologyCpu, topology } from '../../lib/cpu/topology.js';
import { itUnless, notLinux } from '../support/skip.js';
import { fixtureTree, parseCapture, readFixture, type SysFiles, writeTree } from '../support/sys-tree.js';

const CPU = 'sys/devices/system/cpu';
const NODE = 'sys/devices/system/node';

const range = (first: number, last: number) => parseCpuList(`${first}-${last}`);

/** Rows of [id, core, package, node, llc]. */
const asCpus = (rows: [number, number, number, number, number][]): TopologyCpu[] =>
  rows.map(([id, core, pkg, node, llc]) => ({ id, core, package: pkg, node, llc }));

const fixture = (name: string): Topology => topology({ root: fixtureTree(name) });

const caught = (fn: () => unknown): unknown => {
  try {
    fn();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

function groupSizes<T>(items: T[], key: (item: T) => unknown): number[] {
  const sizes = new Map<unknown, number>();
  for (const item of items) sizes.set(key(item), (sizes.get(key(item)) ?? 0) + 1);
  return [...sizes.values()];
}

describe('captured machines', () => {
  it('one CPU', () => {
    expect(fixture('single-1')).toEqual({
      possible: [0],
      online: [0],
      allowed: [0],
      nodes: [{ id: 0, cpus: [0] }],
      cpus: asCpus([[0, 0, 0, 0, 0]]),
    });
  });

  it('two cores that share a level 3 cache', () => {
    expect(fixture('cloud-2')).toEqual({
      possible: [0, 1],
      online: [0, 1],
      allowed: [0, 1],
      nodes: [{ id: 0, cpus: [0, 1] }],
      cpus: asCpus([
        [0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
      ]),
    });
  });

  const SMT_8: Topology = {
    possible: range(0, 7),
    online: range(0, 7),
    allowed: range(0, 7),
    nodes: [{ id: 0, cpus: range(0, 7) }],
    cpus: range(0, 7).map((id) => ({ id, core: Math.floor(id / 2), package: 0, node: 0, llc: 0 })),
  };

  it('four cores with two threads each', () => {
    expect(fixture('smt-8')).toEqual(SMT_8);
  });

  it('a process bound to some of the CPUs', () => {
    expect(fixture('affinity-8')).toEqual({ ...SMT_8, allowed: [1, 4, 5, 6] });
  });

  it('offline CPUs: neither online nor allowed, though the affinity mask names them', () => {
    const online = [0, 1, 3, 4, 6, 7];
    expect(readFixture('offline-8')['proc/self/status']).toBe('Cpus_allowed_list:\t0-7\n');
    expect(fixture('offline-8')).toEqual({
      possible: range(0, 7),
      online,
      allowed: online,
      nodes: [{ id: 0, cpus: online }],
      cpus: SMT_8.cpus.filter(({ id }) => online.includes(id)),
    });
  });

  it('two packages, each a NUMA node', () => {
    expect(fixture('numa-8')).toEqual({
      possible: range(0, 7),
      online: range(0, 7),
      allowed: range(0, 7),
      nodes: [
        { id: 0, cpus: range(0, 3) },
        { id: 1, cpus: range(4, 7) },
      ],
      cpus: asCpus([
        [0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [2, 2, 0, 0, 0],
        [3, 3, 0, 0, 0],
        [4, 0, 1, 1, 4],
        [5, 1, 1, 1, 4],
        [6, 2, 1, 1, 4],
        [7, 3, 1, 1, 4],
      ]),
    });
  });

  it('an offline CPU that the kernel still lists among those sharing a cache', () => {
    expect(readFixture('numa-offline-8')[`${CPU}/cpu5/cache/index3/shared_cpu_list`]).toBe('4-7\n');
    const { online, nodes, cpus } = fixture('numa-offline-8');
    expect(online).toEqual([0, 1, 2, 3, 5, 6, 7]);
    expect(nodes[1]).toEqual({ id: 1, cpus: [5, 6, 7] });
    expect(cpus.slice(4)).toEqual(
      asCpus([
        [5, 1, 1, 1, 5],
        [6, 2, 1, 1, 5],
        [7, 3, 1, 1, 5],
      ]),
    );
  });

  it('a NUMA node that has memory only', () => {
    expect(fixture('memory-only-node-4')).toEqual({
      possible: range(0, 3),
      online: range(0, 3),
      allowed: range(0, 3),
      nodes: [
        { id: 0, cpus: [0, 1] },
        { id: 1, cpus: [2, 3] },
        { id: 2, cpus: [] },
      ],
      cpus: asCpus([
        [0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [2, 2, 0, 1, 2],
        [3, 3, 0, 1, 2],
      ]),
    });
  });

  it('CPUs that may be plugged in later are possible, not present', () => {
    const { possible, online, allowed, cpus } = fixture('hotplug-8');
    expect(possible).toEqual(range(0, 7));
    expect(online).toEqual(range(0, 3));
    expect(allowed).toEqual(range(0, 3));
    expect(cpus).toHaveLength(4);
  });

  it('few CPUs online, some with high numbers', () => {
    const online = [0, 1, 2, 3, 300, 301, 511];
    expect(fixture('sparse-512')).toEqual({
      possible: range(0, 511),
      online,
      allowed: online,
      nodes: [{ id: 0, cpus: online }],
      cpus: asCpus([
        [0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [2, 1, 0, 0, 0],
        [3, 1, 0, 0, 0],
        [300, 22, 2, 0, 300],
        [301, 22, 2, 0, 300],
        [511, 63, 3, 0, 511],
      ]),
    });
  });

  it('256 CPUs: two packages of 64 cores with two threads, four nodes', () => {
    const { possible, online, allowed, nodes, cpus } = fixture('smt-256');
    for (const list of [possible, online, allowed, cpus.map(({ id }) => id)]) expect(list).toEqual(range(0, 255));
    expect(nodes).toEqual([0, 1, 2, 3].map((id) => ({ id, cpus: range(64 * id, 64 * id + 63) })));
    expect(groupSizes(cpus, (cpu) => cpu.package)).toEqual([128, 128]);
    expect(groupSizes(cpus, (cpu) => cpu.node)).toEqual([64, 64, 64, 64]);
    expect(groupSizes(cpus, (cpu) => `${cpu.package}/${cpu.core}`)).toEqual(Array(128).fill(2));
    expect(groupSizes(cpus, (cpu) => cpu.llc)).toEqual([128, 128]);
    expect(cpus[255]).toEqual({ id: 255, core: 63, package: 1, node: 3, llc: 128 });
  });
});

describe('what a kernel may leave out', () => {
  const without = (name: string, pattern: RegExp): SysFiles =>
    Object.fromEntries(Object.entries(readFixture(name)).filter(([path]) => !pattern.test(path)));
  const read = (files: SysFiles): Topology => topology({ root: writeTree(files) });

  it('NUMA support: node 0 holds all online CPUs', () => {
    const { nodes, cpus } = read(without('offline-8', /system\/node/));
    expect(nodes).toEqual([{ id: 0, cpus: [0, 1, 3, 4, 6, 7] }]);
    expect(cpus.every(({ node }) => node === 0)).toBe(true);
  });

  it('the list of online nodes: the node directories tell', () => {
    expect(read(without('numa-8', /node\/online$/))).toEqual(fixture('numa-8'));
  });

  it('the CPUs of a node: node -1', () => {
    const { nodes, cpus } = read(without('numa-8', /node1\/cpulist$/));
    expect(nodes[1]).toEqual({ id: 1, cpus: [] });
    expect(cpus.map(({ node }) => node)).toEqual([0, 0, 0, 0, -1, -1, -1, -1]);
  });

  it('possible: present, and without that online', () => {
    expect(read(without('hotplug-8', /possible$/)).possible).toEqual(range(0, 3));
    expect(read(without('offline-8', /possible$|present$/)).possible).toEqual([0, 1, 3, 4, 6, 7]);
  });

  it('caches, cores and packages: -1', () => {
    const { cpus } = read(without('cloud-2', /cache|topology/));
    expect(cpus).toEqual(
      asCpus([
        [0, -1, -1, 0, -1],
        [1, -1, -1, 0, -1],
      ]),
    );
    const negative = { ...readFixture('single-1'), [`${CPU}/cpu0/topology/physical_package_id`]: '-1\n' };
    expect(read(negative).cpus[0]?.package).toBe(-1);
  });

  it('instruction caches and lower levels never count, whatever their index', () => {
    const cache = (cpu: number, index: number, level: number, type: string, shared: string): SysFiles => ({
      [`${CPU}/cpu${cpu}/cache/index${index}/level`]: `${level}\n`,
      [`${CPU}/cpu${cpu}/cache/index${index}/type`]: `${type}\n`,
      [`${CPU}/cpu${cpu}/cache/index${index}/shared_cpu_list`]: `${shared}\n`,
    });
    const files = Object.assign(
      { [`${CPU}/online`]: '0-3\n' },
      ...[0, 1, 2, 3].flatMap((cpu) => [
        cache(cpu, 0, 3, 'Instruction', '0-3'),
        cache(cpu, 1, 2, cpu < 2 ? 'Unified' : 'Data', cpu < 2 ? '0-1' : '2-3'),
        cache(cpu, 10, 1, 'Data', `${cpu}`),
      ]),
    );
    expect(read(files).cpus.map(({ llc }) => llc)).toEqual([0, 0, 2, 2]);
  });

  it('CPU numbers above 1023 and nodes with holes in their numbers', () => {
    const files: SysFiles = {
      [`${CPU}/possible`]: `0-${2 ** 20 - 1}\n`,
      [`${CPU}/online`]: '64,1023-1024,1048575\n',
      [`${NODE}/online`]: '0,8,255\n',
      [`${NODE}/node0/cpulist`]: '64,1023\n',
      [`${NODE}/node8/cpulist`]: '1024-2000,1048575\n',
      [`${NODE}/node255/cpulist`]: '\n',
      [`${CPU}/cpu1048575/topology/core_id`]: '524287\n',
      'proc/self/status': 'Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t1024-1048575\nMems_allowed_list:\t0\n',
    };
    const { possible, allowed, nodes, cpus } = read(files);
    expect(possible).toHaveLength(2 ** 20);
    expect(allowed).toEqual([1024, 1048575]);
    expect(nodes).toEqual([
      { id: 0, cpus: [64, 1023] },
      { id: 8, cpus: [1024, 1048575] },
      { id: 255, cpus: [] },
    ]);
    expect(cpus.at(-1)).toEqual({ id: 1048575, core: 524287, package: -1, node: 8, llc: -1 });
  });
});

describe('root', () => {
  it('is a whole tree or its sys folder; the affinity is found from both', () => {
    const tree = fixtureTree('affinity-8');
    expect(topology({ root: tree }).allowed).toEqual([1, 4, 5, 6]);
    expect(topology({ root: join(tree, 'sys') })).toEqual(topology({ root: tree }));
    expect(topology({ root: `${tree}/sys/` })).toEqual(topology({ root: tree }));
  });

  it('may be a sysfs tree by another name, with proc inside it', () => {
    const files = Object.entries(readFixture('affinity-8')).map(([path, text]) => [path.replace(/^sys\//, ''), text]);
    expect(topology({ root: writeTree(Object.fromEntries(files)) })).toEqual(fixture('affinity-8'));
  });

  it('without an affinity allows all online CPUs', () => {
    const { 'proc/self/status': _, ...files } = readFixture('offline-8');
    expect(topology({ root: writeTree(files) }).allowed).toEqual([0, 1, 3, 4, 6, 7]);
    const noList = writeTree({ ...files, 'proc/self/status': 'Name:\tx\n' });
    expect(topology({ root: noList }).allowed).toEqual([0, 1, 3, 4, 6, 7]);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['a number', 3],
    ['an object', {}],
    ['a URL', new URL('file:///sys')],
  ])('refuses %s, which is no string', (_, root) => {
    const error = caught(() => topology({ root: root as string }));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE', message: expect.stringContaining('options.root') });
  });

  it.each<unknown>([null, '/sys', 3])('refuses %o for options', (options) => {
    expect(caught(() => topology(options as object))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  });

  it.each([
    ['nothing there', '/nonexistent', 'ENOENT', '/nonexistent/devices/system/cpu/online'],
    ['an empty directory', writeTree({}), 'ENOENT', undefined],
    ['a file', '/dev/null', 'ENOTDIR', '/dev/null/devices/system/cpu/online'],
  ])('throws the system error for %s', (_, root, code, path = `${root}/devices/system/cpu/online`) => {
    const error = caught(() => topology({ root }));
    expect(error).toMatchObject({ name: 'PercpuError', code, syscall: 'open', path, errno: expect.any(Number) });
    expect((error as Error).message).toContain(path);
  });

  it.each([
    `${CPU}/online`,
    `${CPU}/possible`,
    `${CPU}/cpu1/cache/index3/shared_cpu_list`,
    `${NODE}/online`,
    `${NODE}/node0/cpulist`,
  ])('throws EINVAL when %s holds no CPU list', (path) => {
    for (const content of ['0-x\n', '3-1\n', '0-99999999999\n']) {
      const files = { ...readFixture('cloud-2'), [`${CPU}/cpu0/cache/index3/shared_cpu_list`]: '0\n', [path]: content };
      const root = writeTree(files);
      expect(caught(() => topology({ root }))).toMatchObject({
        name: 'PercpuError',
        code: 'EINVAL',
        syscall: 'read',
        path: join(root, path),
      });
    }
  });
});

describe('this machine', () => {
  itUnless(existsSync('/sys/devices/system/cpu/online') ? '' : 'there is no sysfs')('is described consistently', () => {
    const { possible, online, allowed, nodes, cpus } = topology();
    expect(online.length).toBeGreaterThan(0);
    expect(allowed.length).toBeGreaterThan(0);
    expect(possible).toEqual(expect.arrayContaining(online));
    expect(online).toEqual(expect.arrayContaining(allowed));
    expect(nodes.flatMap((node) => node.cpus).sort((a, b) => a - b)).toEqual(online);
    expect(cpus.map(({ id }) => id)).toEqual(online);
    for (const { id, node } of cpus) expect(nodes.find((n) => n.id === node)?.cpus).toContain(id);
    expect(topology({ root: '/sys' })).toEqual(topology());
  });

  const whyNotPinned = !existsSync('/usr/bin/taskset')
    ? 'there is no taskset'
    : topology().allowed.length < 2
      ? 'it needs two CPUs'
      : '';
  itUnless(whyNotPinned)("allowed follows the calling thread's affinity", () => {
    const tid = basename(readlinkSync('/proc/thread-self'));
    const before = topology().allowed;
    const last = before.at(-1)!;
    const pin = (cpus: number[]) => execFileSync('taskset', ['-c', '-p', cpus.join(), tid]);
    pin([last]);
    try {
      expect(topology().allowed).toEqual([last]);
    } finally {
      pin(before);
    }
    expect(topology().allowed).toEqual(before);
  });
});

describe('with node:fs replaced', () => {
  afterEach(() => {
    vi.doUnmock('node:fs');
    vi.resetModules();
  });

  type Fs = typeof import('node:fs');

  async function topologyOver(replace: (fs: Fs) => Partial<Fs>): Promise<typeof topology> {
    vi.resetModules();
    vi.doMock('node:fs', async (importOriginal) => {
      const fs = await importOriginal<Fs>();
      return { ...fs, ...replace(fs) };
    });
    return (await import('../../lib/cpu/topology.js')).topology;
  }

  function topologyWhereReadingFails(details: object): Promise<typeof topology> {
    const fail = () => {
      throw Object.assign(new Error('refused'), details);
    };
    return topologyOver(() => ({ readFileSync: fail, readdirSync: fail }));
  }

  it.each(['ENOENT', 'EACCES', 'ERR_ACCESS_DENIED'])('%s on /sys: as many CPUs as Node reports', async (code) => {
    const topologyWithoutSysfs = await topologyWhereReadingFails({ code });
    const all = range(0, Math.max(os.cpus().length, os.availableParallelism()) - 1);
    expect(topologyWithoutSysfs()).toEqual({
      possible: all,
      online: all,
      allowed: all,
      nodes: [{ id: 0, cpus: all }],
      cpus: all.map((id) => ({ id, core: id, package: 0, node: 0, llc: -1 })),
    });
  });

  it('an explicit root throws even when it is /sys', async () => {
    const details = { code: 'EACCES', syscall: 'open', errno: -13 };
    const topologyWithoutSysfs = await topologyWhereReadingFails(details);
    const path = '/sys/devices/system/cpu/online';
    expect(caught(() => topologyWithoutSysfs({ root: '/sys' }))).toMatchObject({ ...details, path });
  });

  it('256 CPUs take two files per CPU and a few dozen more', async () => {
    const root = fixtureTree('smt-256');
    let files = 0;
    const countingTopology = await topologyOver(({ openSync }) => ({
      openSync: (...args: Parameters<Fs['openSync']>) => {
        files++;
        return openSync(...args);
      },
    }));
    expect(countingTopology({ root })).toEqual(topology({ root }));
    expect(files).toBeGreaterThan(2 * 256);
    expect(files).toBeLessThan(2 * 256 + 40);
  });
});

describe('captures', () => {
  const script = new URL('../../scripts/capture-topology.mjs', import.meta.url);

  itUnless(notLinux)('hold all that topology() reads', () => {
    const files = execFileSync(process.execPath, [fileURLToPath(script)], { encoding: 'utf8' });
    expect(topology({ root: writeTree(parseCapture(files)) })).toEqual(topology());
  });
});
