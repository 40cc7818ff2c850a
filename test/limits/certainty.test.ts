import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { percpu } from '../support/built.js';
import { FakeProc, type FakeProcess } from '../support/proc-tree.js';
import { describeUnless } from '../support/skip.js';

const { predictVictim } = percpu;
const MiB = 2 ** 20;
const entry = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

const trees: FakeProc[] = [];
afterEach(() => {
  for (const tree of trees.splice(0)) tree.remove();
});

function fakeProc(): FakeProc {
  const tree = new FakeProc({ onlineCpus: 2, ramKiB: 2 ** 24 });
  trees.push(tree);
  return tree;
}

const holding = (pages: number, more: FakeProcess = {}): FakeProcess => ({
  approximate: pages - 1,
  resident: pages,
  rollupKiB: 4 * pages,
  ...more,
});

/** A hierarchy of version 2 with a root, and below it the groups of `files`: paths of files and what is in them. */
function hierarchy(tree: FakeProc, files: Record<string, string>): string {
  const top = join(tree.root, 'cgroup');
  const all = { 'cgroup.controllers': 'cpu memory\n', ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(join(top, name, '..'), { recursive: true });
    writeFileSync(join(top, name), text);
  }
  return top;
}

function v2(path: string, figures: { max: number; current: number; activeFile?: number; swap?: number }, pids = '') {
  return {
    [`${path}/memory.max`]: `${figures.max}\n`,
    [`${path}/memory.current`]: `${figures.current}\n`,
    [`${path}/memory.swap.max`]: `${figures.swap ?? 0}\n`,
    [`${path}/memory.stat`]: `anon 1\ninactive_file 0\nactive_file ${figures.activeFile ?? 0}\n`,
    [`${path}/cgroup.type`]: 'domain\n',
    [`${path}/cgroup.procs`]: pids,
  };
}

describe('which group runs out first', () => {
  const groups = (activeFile: number) => {
    const tree = fakeProc().set(10, holding(5000)).set(11, holding(900));
    const top = hierarchy(tree, {
      ...v2('web', { max: 200 * MiB, current: 192 * MiB, activeFile }, '10\n'),
      ...v2('web/kid', { max: 40 * MiB, current: 20 * MiB }, '11\n'),
    });
    return predictVictim({ root: tree.root, cgroup: join(top, 'web', 'kid') });
  };

  it('is certain where the headrooms are far from each other', async () => {
    expect(await groups(0)).toMatchObject({ certain: true, victim: { pid: 10 }, scope: { headroom: 8 * MiB } });
  });

  it('is not where the kernel can take back page cache that is in use, in the one and not in the other', async () => {
    expect(await groups(100 * MiB)).toMatchObject({ certain: false, scope: { headroom: 8 * MiB } });
  });

  it('is not where the one can swap and the other cannot', async () => {
    const tree = fakeProc().set(10, holding(5000)).set(11, holding(900));
    writeFileSync(join(tree.root, 'meminfo'), `MemTotal: 16777216 kB\nSwapTotal: 1048576 kB\nSwapFree: 1048576 kB\n`);
    const top = hierarchy(tree, {
      ...v2('web', { max: 200 * MiB, current: 192 * MiB, swap: 2 ** 29 }, '10\n'),
      ...v2('web/kid', { max: 40 * MiB, current: 20 * MiB }, '11\n'),
    });
    expect((await predictVictim({ root: tree.root, cgroup: join(top, 'web', 'kid') })).certain).toBe(false);
  });
});

describe('what the kernel does then', () => {
  it.each(['panic_on_oom', 'oom_kill_allocating_task'])('is not certain where vm.%s cannot be read', async (name) => {
    const tree = fakeProc().set(10, holding(5000));
    expect(await predictVictim({ root: tree.root })).toMatchObject({ certain: true, policy: 'badness' });
    tree.setting(name, null);
    expect(await predictVictim({ root: tree.root })).toMatchObject({ certain: false, policy: 'badness' });
  });

  it('is not certain where version 1 forbids to kill in the group', async () => {
    const tree = fakeProc().set(10, holding(5000));
    const group = join(tree.root, 'memory');
    mkdirSync(group);
    const write = (name: string, text: string) => writeFileSync(join(group, name), text);
    write('memory.limit_in_bytes', `${64 * MiB}\n`);
    write('release_agent', '\n');
    write('cgroup.procs', '10\n');
    write('memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 0\n');
    expect((await predictVictim({ root: tree.root, cgroup: group })).certain).toBe(true);
    write('memory.oom_control', 'oom_kill_disable 1\nunder_oom 0\noom_kill 0\n');
    expect((await predictVictim({ root: tree.root, cgroup: group })).certain).toBe(false);
  });

  it('does not take a process of a captured tree for one of this command, for its number', async () => {
    const { root } = fakeProc().set(process.pid, holding(5000));
    expect((await predictVictim({ root })).ranking).toMatchObject([{ pid: process.pid, observer: false }]);
  });
});

/** @returns the JSON that a shell script prints last in namespaces of its own. */
const unshare = (flags: string[], script: string) =>
  JSON.parse(
    execFileSync('unshare', [...flags, 'sh', '-c', script], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    })
      .trim()
      .split('\n')
      .at(-1)!,
  );

function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'no namespaces on this platform';
  const { status } = spawnSync('unshare', ['--mount', '--pid', '--fork', '--mount-proc', 'true']);
  return status === 0 ? undefined : 'unshare may not make namespaces here';
}

const reason = whyNoNamespaces();
const print = (options: object) =>
  `'${process.execPath}' --input-type=module -e "import { predictVictim } from '${entry}';` +
  ` const p = await predictVictim(${JSON.stringify(options).replaceAll('"', "'")});` +
  ` console.log(JSON.stringify({ pids: p.ranking.map(({ pid }) => pid), victim: p.victim, certain: p.certain,` +
  ` unseen: p.unseen, approximateVictim: p.approximateVictim }))"`;

describeUnless(reason ?? '')('namespaces', () => {
  it('ranks pid 1 of another pid namespace, which is no init', () => {
    const found = unshare(['--mount', '--pid', '--fork', '--mount-proc'], `${print({})}; true`);
    expect(found.pids).toContain(1);
    expect(found.certain).toBe(false);
    expect(found.unseen).toBeGreaterThan(0);
  });

  it('does not look for the processes of a group under their numbers in another pid namespace', () => {
    const tree = fakeProc();
    const host = join(tree.root, 'host');
    const group = join(tree.root, 'group');
    for (const directory of [host, group]) mkdirSync(directory);
    writeFileSync(join(group, 'memory.max'), '409600000\n');
    writeFileSync(join(group, 'cgroup.procs'), '1\n2\n');
    const inner = print({ root: host, cgroup: group }).replaceAll("'", `'"'"'`);
    const script = `mount --bind /proc '${host}' && unshare --pid --fork --mount-proc sh -c '${inner}; true'`;
    expect(unshare(['--mount'], script)).toMatchObject({ pids: [], victim: null, certain: false, unseen: 2 });
  });

  it('is not certain where subset=pid hides the settings', () => {
    const { root } = fakeProc();
    const script = `mount -t proc -o subset=pid proc '${root}' && ${print({ root })}`;
    expect(unshare(['--mount'], script).certain).toBe(false);
  });
});
