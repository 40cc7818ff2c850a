import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { percpu } from '../support/built.js';
import { type Hog, Hogs, kernelLog } from '../support/hogs.js';
import { TestCgroup, whyNoCgroup } from '../support/memory-cgroup.js';
import { randomIntegers, testSeed } from '../support/random.js';
import { describeUnless } from '../support/skip.js';

const ROUNDS = 24;
const MiB = 2 ** 20;
const STEP_BYTES = 4 * MiB;
/** What a prediction made now still says when the limit is reached, beyond what the growing process itself adds. */
const LEAD_PAGES = (24 * MiB) / 4096;
/** Headrooms closer than this may change places on the way. */
const MARGIN_BYTES = 12 * MiB;

const reason = whyNoCgroup() ?? (kernelLog('') ? undefined : "the kernel's log cannot be read");
const hogs = new Hogs();
afterEach(() => hogs.endAll());

/** A group of the random tree. */
interface Node {
  group: TestCgroup;
  /** From this group to the top. */
  chain: Node[];
  members: Hog[];
  /** What its limit leaves; null: no limit. */
  roomBytes: number | null;
}

type Below = (limit: number) => number;

/** A top group and up to six in it, nested as chance has it. */
function makeTree(name: string, below: Below): Node[] {
  const top: Node = { group: hogs.keep(new TestCgroup(name)), chain: [], members: [], roomBytes: null };
  top.chain.push(top);
  const nodes = [top];
  for (let i = 0; i < 3 + below(4); i++) {
    const parent = nodes[below(nodes.length)]!;
    const group = hogs.keep(new TestCgroup(`${parent.group.name.slice(1)}/g${i}`));
    const node: Node = { group, chain: [], members: [], roomBytes: null };
    node.chain.push(node, ...parent.chain);
    nodes.push(node);
  }
  return nodes;
}

function usageOf({ group }: Node): number {
  return Math.ceil(group.usageBytes / 4096) * 4096;
}

function setLimits(nodes: Node[]): void {
  for (const node of nodes) if (node.roomBytes !== null) node.group.limitBytes = usageOf(node) + node.roomBytes;
}

/** Limits anywhere, so that the ones that bind `target` are far enough apart to tell which is reached first. */
function chooseLimits(nodes: Node[], target: Node, below: Below): void {
  for (;;) {
    for (const node of nodes) node.roomBytes = below(3) === 0 ? null : (16 + below(64)) * MiB;
    const rooms = target.chain.flatMap(({ roomBytes }) => roomBytes ?? []).sort((a, b) => a - b);
    if (rooms.length > 0 && (rooms[1] ?? Number.POSITIVE_INFINITY) - rooms[0]! > MARGIN_BYTES) return;
  }
}

/** Grows the one that is ahead until nothing that happens on the way to the limit can change the order. */
async function predict(nodes: Node[], target: Node) {
  for (;;) {
    setLimits(nodes);
    const prediction = await percpu.predictVictim({ cgroup: target.group.path });
    const [first, second] = prediction.ranking;
    const growth = prediction.scope.headroom! / 4096;
    if (!second || first!.badness - second.badness > LEAD_PAGES + growth) return prediction;
    for (const { group } of nodes) group.noLimit();
    const ahead = nodes.flatMap(({ members }) => members).find(({ pid }) => pid === first!.pid);
    await ahead!.grow(2 * STEP_BYTES);
  }
}

/** @returns the group that ran out and the process that was taken for it, by the first kill the kernel logs. */
async function letTheKernelChoose(name: string, trigger: Hog) {
  const own = () => kernelLog(`oom_memcg=/${name}`)!;
  for (let grown = 0; own().length === 0; grown += STEP_BYTES) {
    expect(grown).toBeLessThan(256 * MiB);
    await trigger.grow(STEP_BYTES);
    await sleep(5);
  }
  const [, group, pid] = /oom_memcg=([^,]+),.*,pid=(\d+),/.exec(own()[0]!)!;
  return { group, pid: Number(pid) };
}

async function round(name: string, below: Below) {
  const nodes = makeTree(name, below);
  const starts = nodes.flatMap((node) =>
    Array.from({ length: below(3) }, async () => {
      const adj = below(2) === 0 ? 0 : below(1001);
      const bytes = (4 + below(60)) * MiB;
      const hog = await hogs.start(node.group, adj);
      node.members.push(hog);
      await hog.grow(bytes);
    }),
  );
  await Promise.all(starts);
  const target = nodes[below(nodes.length)]!;
  // Small, and first to ask for memory.
  const trigger = await hogs.start(target.group, 0);
  target.members.push(trigger);
  chooseLimits(nodes, target, below);
  const prediction = await predict(nodes, target);
  const byPid = await percpu.predictVictim({ pid: trigger.pid });
  const kernel = await letTheKernelChoose(name, trigger);
  await hogs.endAll();
  return { prediction, byPid, kernel, asked: target.group.path };
}

describeUnless(reason ?? '')('random hierarchies of limited groups', () => {
  it(`run out where, and of whom, it was predicted in ${ROUNDS} of ${ROUNDS} rounds (SEED=${testSeed})`, async () => {
    const below = randomIntegers(testSeed);
    const outcomes = [];
    for (let i = 0; i < ROUNDS; i++) outcomes.push(await round(`percpu-scope-${process.pid}-${i}`, below));
    const mount = outcomes[0]!.prediction.scope.path!.replace(/\/percpu-scope.*/, '');
    expect(outcomes.map(({ prediction }) => prediction.scope.path)).toEqual(
      outcomes.map(({ kernel }) => `${mount}${kernel.group}`),
    );
    expect(outcomes.map(({ byPid }) => byPid.scope.path)).toEqual(
      outcomes.map(({ prediction }) => prediction.scope.path),
    );
    const certain = outcomes.filter(({ prediction }) => prediction.certain);
    expect(certain.map(({ prediction }) => prediction.victim?.pid)).toEqual(certain.map(({ kernel }) => kernel.pid));
    // The check has power: most answers are certain, and the group asked for is often not the one that runs out.
    expect(certain.length).toBeGreaterThan(ROUNDS / 2);
    expect(outcomes.filter(({ prediction, asked }) => prediction.scope.path !== asked).length).toBeGreaterThan(0);
  }, 300_000);
});
