import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import type { VictimPrediction } from '../../lib/limits/predict-victim.js';
import { TestCgroup, whyNoCgroup } from '../support/memory-cgroup.js';
import { asUser, inNamespaces, NOBODY, ReachablePackage, whyNoOtherUser } from '../support/namespaces.js';
import { describeUnless } from '../support/skip.js';

const reachable = new ReachablePackage();
afterAll(() => reachable.remove());

const HIDEPID = [
  [1, 'noaccess'],
  [2, 'invisible'],
  [4, 'ptraceable'],
] as const;

/** What programs print, as JSON each, who run one after the other below a proc that is mounted with these options. */
function below<T extends unknown[]>(options: string, run: string, programs: string[]): T {
  const each = programs.map((program) => `${run} ${program}; printf '\\0'`).join('\n');
  const printed = inNamespaces([], `${reachable.mount}\nmount -t proc -o ${options} proc /proc\n${each}`);
  return printed
    .split('\0')
    .slice(0, -1)
    .map((text) => JSON.parse(text)) as T;
}

const prints = (value: string) => reachable.node(`console.log(JSON.stringify(${value}))`);
const PREDICTION = prints('await percpu.predictVictim()');
const SCAN = prints('[process.pid, ...(await percpu.scanRss()).map(({ pid }) => pid)]');

describeUnless(whyNoOtherUser())('a proc mounted with hidepid', () => {
  it.each(HIDEPID)('%d: a prediction, a scan and the reports say what is missing', (number, name) => {
    const why = `'/proc' is mounted with hidepid=${name}: processes of other users are hidden`;
    const [prediction, printed, [own, ...scanned], rss, doctor] = below<
      [VictimPrediction, VictimPrediction, number[], { unseen: string }, { processes: { hidden: string } }]
    >(`hidepid=${number}`, asUser(NOBODY), [
      PREDICTION,
      reachable.cli('oom', '--json'),
      SCAN,
      reachable.cli('rss', '--json'),
      reachable.cli('doctor', '--json'),
    ]);
    for (const { certain, unseen, unseenIsExact, unseenReason, ranking } of [prediction, printed]) {
      // Only with 1 are the others listed.
      expect({ certain, unseenIsExact, unseenReason }).toEqual({
        certain: false,
        unseenIsExact: number === 1,
        unseenReason: why,
      });
      expect(unseen).toBeGreaterThanOrEqual(1);
      expect(ranking.length).toBeGreaterThanOrEqual(1);
      expect(ranking.map(({ pid }) => pid)).not.toContain(process.pid);
    }
    expect(scanned).toContain(own);
    expect(scanned).not.toContain(process.pid);
    expect(rss.unseen).toBe(why);
    expect(doctor.processes.hidden).toBe(why);
  });

  it('1: counts those that are listed and cannot be read', () => {
    const listed = prints(
      '(await import("node:fs")).readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).length',
    );
    const [before, { unseen, ranking }, after] = below<[number, VictimPrediction, number]>(
      'hidepid=1',
      asUser(NOBODY),
      [listed, PREDICTION, listed],
    );
    expect(ranking.length + unseen).toBeGreaterThan(1);
    // Processes of other programs come and go.
    expect(unseen).toBeGreaterThan(0.5 * Math.min(before, after));
  });

  it.each(HIDEPID)('%d: nothing is missing for who may trace every process', (number) => {
    const [{ unseen, unseenReason, ranking }, rss] = below<[VictimPrediction, { unseen: string }]>(
      `hidepid=${number}`,
      '',
      [PREDICTION, reachable.cli('rss', '--json')],
    );
    expect({ unseen, unseenReason }).toEqual({ unseen: 0, unseenReason: '' });
    expect(ranking.map(({ pid }) => pid)).toContain(process.pid);
    expect(rss.unseen).toBe('');
  });

  it.each(HIDEPID)('%d: a group of the mount sees all but with 4', (number, name) => {
    const [{ unseen, unseenReason, ranking }] = below<[VictimPrediction]>(
      `hidepid=${number},gid=4321`,
      asUser(NOBODY, [4321]),
      [PREDICTION],
    );
    if (name === 'ptraceable') {
      expect(unseenReason).toContain('hidepid=ptraceable');
      expect(unseen).toBeGreaterThanOrEqual(1);
      return;
    }
    expect({ unseen, unseenReason }).toEqual({ unseen: 0, unseenReason: '' });
    expect(ranking.map(({ pid }) => pid)).toContain(process.pid);
  });
});

describeUnless(whyNoOtherUser())('a proc mounted with hidepid elsewhere', () => {
  it('is known by a link, and by a name that mountinfo escapes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'percpu-mounts-'));
    try {
      chmodSync(folder, 0o755);
      const [linked, spaced] = [join(folder, 'link'), join(folder, 'of proc')];
      mkdirSync(spaced);
      symlinkSync(spaced, linked);
      const printed = [spaced, linked].map((root) =>
        inNamespaces(
          [],
          `${reachable.mount}\nmount -t proc -o hidepid=2 proc '${spaced}'\n` +
            `${asUser(NOBODY)} ${reachable.cli('oom', '--json', '--root', `'${root}'`)}`,
        ),
      );
      for (const [i, root] of [spaced, linked].entries()) {
        const { unseenReason } = JSON.parse(printed[i]!) as VictimPrediction;
        expect(unseenReason).toBe(`'${root}' is mounted with hidepid=invisible: processes of other users are hidden`);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const MiB = 2 ** 20;
const started: ChildProcess[] = [];
const groups: TestCgroup[] = [];
let lastGroup = 0;

afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  for (const group of groups.splice(0)) group.remove();
});

/** A group with a limit, and a process of root's in it. */
function groupWithOutsider(): TestCgroup {
  const group = new TestCgroup(`percpu-hidden-${process.pid}-${lastGroup++}`);
  groups.push(group);
  group.limitBytes = 512 * MiB;
  const outsider = spawn('sleep', ['600'], { stdio: 'ignore' });
  started.push(outsider);
  group.add(outsider.pid!);
  return group;
}

/** Version 2 alone lists processes outside of the pid namespace, as 0. */
const isVersion2 = ({ path }: TestCgroup) => existsSync(join(path, 'memory.max'));

const inGroup = (group: TestCgroup) => `echo $$ > '${group.path}/cgroup.procs'`;

describeUnless(whyNoCgroup() ?? whyNoOtherUser())('a group with a process that cannot be seen', () => {
  const predict = (group: TestCgroup) => prints(`await percpu.predictVictim({ cgroup: "${group.path}" })`);

  const withHidepid = (number: number) => {
    const group = groupWithOutsider();
    const [prediction] = JSON.parse(
      inNamespaces(
        [],
        `${reachable.mount}\nmount -t proc -o hidepid=${number} proc /proc\n${inGroup(group)}\n` +
          `echo '['; exec ${asUser(NOBODY)} ${predict(group)} & wait; echo ']'`,
      ),
    ) as VictimPrediction[];
    return { group, prediction: prediction!, outsider: started[0]!.pid! };
  };

  it('is certain where nothing is hidden', () => {
    const { prediction, group, outsider } = withHidepid(0);
    expect(prediction).toMatchObject({ unseen: 0, unseenReason: '', certain: true, scope: { path: group.path } });
    expect(prediction.ranking.map(({ pid }) => pid)).toContain(outsider);
  });

  it.each(HIDEPID)('hidepid=%d: counts it', (number, name) => {
    const { prediction, outsider } = withHidepid(number);
    expect(prediction.certain).toBe(false);
    // The outsider, and the shell that is root's as well.
    expect([prediction.unseen, prediction.unseenIsExact]).toEqual([2, true]);
    expect(prediction.unseenReason).toContain(`hidepid=${name}`);
    expect(prediction.ranking.map(({ pid }) => pid)).not.toContain(outsider);
  });

  it('in the first pid namespace: is certain where hidepid hides none of the group', () => {
    const group = new TestCgroup(`percpu-hidden-${process.pid}-${lastGroup++}`);
    groups.push(group);
    group.limitBytes = 512 * MiB;
    const script =
      `${reachable.mount}\nmount -t proc -o hidepid=2 proc /proc\n` +
      `${inGroup(group)}; exec ${asUser(NOBODY)} ${predict(group)}`;
    expect(JSON.parse(inNamespaces([], script))).toMatchObject({
      certain: true,
      unseen: 0,
      unseenIsExact: true,
      unseenReason: '',
    });
  });

  it('in a pid namespace: whether the group lists it or not', () => {
    const group = groupWithOutsider();
    const printed = inNamespaces(
      ['--pid', '--fork', '--mount-proc'],
      `${reachable.mount}\n${inGroup(group)}\n${predict(group)}`,
    );
    const { certain, unseen, unseenIsExact, unseenReason, ranking } = JSON.parse(printed) as VictimPrediction;
    expect(ranking.length).toBeGreaterThanOrEqual(1);
    expect({ certain, unseenReason }).toEqual({
      certain: false,
      unseenReason: "'/proc' shows only the processes of a container or of another pid namespace",
    });
    expect(unseen).toBeGreaterThanOrEqual(1);
    expect(unseenIsExact).toBe(isVersion2(group));
  });

  it('in a pid namespace: rss and doctor say so', () => {
    const [rss, doctor] = inNamespaces(
      ['--pid', '--fork', '--mount-proc'],
      `${reachable.mount}\n${reachable.cli('rss', '--json')}; printf '\\0'; ${reachable.cli('doctor', '--json')}`,
    ).split('\0');
    expect(JSON.parse(rss!).unseen).toContain('shows only the processes of a container');
    expect(JSON.parse(doctor!).processes.hidden).toContain('shows only the processes of a container');
  });
});
