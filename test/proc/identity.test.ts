import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BootTime, parseBootTime } from '../../lib/proc/boot-time.js';
import { parseCommand } from '../../lib/proc/identity.js';
import { readRss } from '../../lib/proc/rss.js';
import { RssScanner, scanRss } from '../../lib/proc/rss-scanner.js';
import { parseUsers, userName } from '../../lib/proc/user-names.js';
import { FakeProc } from '../support/proc-tree.js';
import { itUnless, notLinux } from '../support/skip.js';

let tree: FakeProc;
afterEach(() => tree?.remove());

const BTIME = 1_700_000_000;
const ID = 'ab'.repeat(32);

function fakeTree(): FakeProc {
  tree = new FakeProc({ onlineCpus: 2 });
  writeFileSync(join(tree.root, 'stat'), `cpu  1 2 3\ncpu0 1\ncpu1 1\nbtime ${BTIME}\n`);
  return tree;
}

const worker = {
  resident: 5,
  ppid: 3,
  uid: 1234,
  threads: 9,
  startTicks: 12_345,
  cmdline: 'node\0/srv/a b.js\0\0--x\0',
  cgroup: `3:cpu:/\n2:memory:/docker/${ID}\n`,
};

describe('identity', () => {
  it('is all that the files tell', () => {
    fakeTree().set(10, worker);
    expect(readRss(10, { root: tree.root, identity: true, breakdown: false })).toMatchObject({
      ppid: 3,
      startedAt: BTIME * 1000 + 123_450,
      uid: 1234,
      // A name of this machine would say nothing about another one.
      user: null,
      threads: 9,
      command: ['node', '/srv/a b.js', '', '--x'],
      cgroup: `/docker/${ID}`,
      service: `docker:${ID}`,
    });
  });

  it('does without files that are not there', () => {
    fakeTree().set(10, { resident: 5 });
    expect(readRss(10, { root: tree.root, identity: true })).toMatchObject({
      command: [],
      cgroup: null,
      service: null,
    });
  });

  it('is read once for a process, again for another one, and when it executes another program', async () => {
    fakeTree().set(10, worker).set(11, worker);
    const scanner = new RssScanner({ root: tree.root, identity: true, maxOpenFiles: 0 });
    const commands = async () => (await scanner.scan()).map(({ command }) => command.join(' '));
    expect(await commands()).toEqual(['node /srv/a b.js  --x', 'node /srv/a b.js  --x']);
    tree.set(10, { ...worker, cmdline: 'changed\0' });
    expect(await commands()).toEqual(['node /srv/a b.js  --x', 'node /srv/a b.js  --x']);
    tree.end(10).set(10, { ...worker, startTicks: 99_999, cmdline: 'another\0' });
    expect(await commands()).toEqual(['another', 'node /srv/a b.js  --x']);
    tree.end(11).set(11, { ...worker, name: 'renamed', cmdline: 'executed\0' });
    expect(await commands()).toEqual(['another', 'executed']);
    scanner.destroy();
  });

  it.each([
    ['', []],
    ['\0', ['']],
    ['a', ['a']],
    ['a\0', ['a']],
    ['a\0b c\0', ['a', 'b c']],
    ['title of its own', ['title of its own']],
  ])('command of %j: %j', (text, command) => {
    expect(parseCommand(text)).toEqual(command);
  });

  itUnless(notLinux)('of this process agrees with what Node knows', () => {
    const { ppid, uid, user, command, startedAt, threads } = readRss('self', { identity: true });
    expect(ppid).toBe(process.ppid);
    expect(uid).toBe(process.getuid!());
    expect(user).toBe(execFileSync('id', ['-un'], { encoding: 'utf8' }).trim());
    expect(command.length).toBeGreaterThan(0);
    expect(threads).toBeGreaterThan(1);
    // The boot time is known to the second.
    expect(Math.abs(startedAt - (Date.now() - process.uptime() * 1000))).toBeLessThan(5_000);
  });

  itUnless(notLinux)('follows a real process that executes another program', async () => {
    const child = spawn('sh', ['-c', 'read line; exec sleep 1000'], { stdio: ['pipe', 'ignore', 'ignore'] });
    const scanner = new RssScanner({ pids: [child.pid!], identity: true, breakdown: false });
    const command = async () => (await scanner.scan())[0]!.command;
    await expect.poll(command).toEqual(['sh', '-c', 'read line; exec sleep 1000']);
    child.stdin.end('go\n');
    await expect.poll(command).toEqual(['sleep', '1000']);
    child.kill();
    await once(child, 'exit');
    scanner.destroy();
  });
});

describe('startedAt', () => {
  it('is right after the clock was set', () => {
    fakeTree();
    const boot = new BootTime(tree.root);
    expect(boot.ms()).toBe(BTIME * 1000);
    // The kernel reckons from the present time of day.
    writeFileSync(join(tree.root, 'stat'), `cpu  1\nbtime ${BTIME + 7200}\n`);
    expect(boot.ms()).toBe(BTIME * 1000);
    const now = Date.now();
    vi.spyOn(Date, 'now').mockImplementation(() => now + 7_200_000);
    try {
      expect(boot.ms()).toBe((BTIME + 7200) * 1000);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it.each(['', 'btime', 'btime x\n', 'xbtime 5\n', 'btime -5\n'])('boot time of %j is unknown', (text) => {
    expect(parseBootTime(text)).toBeUndefined();
  });
});

describe('user names', () => {
  it('are those of the password file, the first of an id', () => {
    const text =
      'root:x:0:0:root:/root:/bin/sh\nadmin:x:0:0::/:\n# comment:x:5:\n+::::::\nbroken\nnäme:x:1000:1000::/:\nx:y:z:\n';
    expect([...parseUsers(text)]).toEqual([
      [0, 'root'],
      [1000, 'näme'],
    ]);
  });

  itUnless(notLinux)('of this machine', () => {
    const [, name, uid] = /^([^:]+):[^:]*:(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))!;
    expect(userName(Number(uid))).toBe(name);
    expect(userName(4_294_967_290)).toBeNull();
  });
});

describe('cpu', () => {
  it('is in milliseconds', () => {
    fakeTree().set(10, { resident: 1, userTicks: 12, systemTicks: 3 });
    expect(readRss(10, { root: tree.root, cpu: true })).toMatchObject({ userMs: 120, systemMs: 30 });
    expect(readRss(10, { root: tree.root })).not.toHaveProperty('userMs');
  });

  itUnless(notLinux)('of this process is that of all its threads', () => {
    const end = performance.now() + 100;
    while (performance.now() < end);
    const before = process.cpuUsage();
    const { userMs, systemMs } = readRss('self', { cpu: true });
    const after = process.cpuUsage();
    // Both are counted in ticks of 10 ms there, which are scaled to add up to the precise time.
    expect(userMs + systemMs).toBeGreaterThanOrEqual((before.user + before.system) / 1000 - 30);
    expect(userMs + systemMs).toBeLessThanOrEqual((after.user + after.system) / 1000 + 30);
  });
});

describe('which processes are read', () => {
  const parts = { breakdown: false, identity: true } as const;

  it('those with memory; with all, kernel threads and zombies too', async () => {
    fakeTree().set(10, { resident: 5 }).set(11, { state: 'Z' }).set(12, { flags: 0x0020_0000 });
    const pids = async (options: { all?: boolean; pids?: number[] }) =>
      (await scanRss({ root: tree.root, ...parts, ...options })).map(({ pid }) => pid);
    expect(await pids({})).toEqual([10]);
    expect(await pids({ all: true })).toEqual([10, 11, 12]);
    expect(await pids({ pids: [12, 10] })).toEqual([10]);
    expect(await pids({ pids: [12, 10], all: true })).toEqual([12, 10]);
  });

  it('status is read for a breakdown alone', async () => {
    fakeTree().set(10, { resident: 5, swapKiB: 8 }).write(10, 'status', 'VmSwap: nonsense\n');
    expect(await scanRss({ root: tree.root })).toEqual([]);
    expect(await scanRss({ root: tree.root, breakdown: false })).toMatchObject([{ pid: 10, precise: 5 * 4096 }]);
  });
});
