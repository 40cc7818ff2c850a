import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { threadCpu } from '../../lib/cpu/thread-cpu.js';
import { native } from '../../lib/native/native.js';
import { describeUnless, itUnless } from '../support/skip.js';

const folder = mkdtempSync(join(tmpdir(), 'percpu-degraded-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The program that takes things away from another one: test/native/degrade.cc. */
const degrade = join(folder, 'degrade');

function whyNot(): string {
  if (process.env.PERCPU_SANITIZED) return 'the sanitizers themselves need what is taken away';
  if (process.platform !== 'linux') return 'seccomp and mount namespaces are Linux';
  if (!['x64', 'arm64'].includes(process.arch)) return `its seccomp filter does not know ${process.arch}`;
  const source = fileURLToPath(new URL('../native/degrade.cc', import.meta.url));
  const compiled = spawnSync(process.env.CXX ?? 'c++', ['-std=c++20', '-O1', source, '-o', degrade]);
  return compiled.status === 0 ? '' : 'no C++ compiler';
}

const reason = whyNot();
const entry = new URL('../../dist/index.js', import.meta.url).href;
const doctor = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const PROGRAM = `
  const percpu = await import(${JSON.stringify(entry)});
  const { Worker } = await import('node:worker_threads');
  const { once } = await import('node:events');
  const { CounterArena, CounterTree, getAffinity, PinnedWorker, readRss, rss, rssAccounting, runOnCpus, scanRss, topology } = percpu;
  const attempt = async (run) => { try { return await run(); } catch ({ code, name }) { return code ?? name; } };
  const counter = new CounterTree({ batchSize: 2 });
  for (let i = 0; i < 1_000; i++) counter.add(1);
  const adding = "import(" + JSON.stringify(${JSON.stringify(entry)}) + ").then(({ CounterTree }) => {" +
    "const counter = CounterTree.attach(require('node:worker_threads').workerData); for (let i = 0; i < 1000; i++) counter.add(1); })";
  await once(new Worker(adding, { eval: true, execArgv: [], workerData: counter.share() }), 'exit');
  const sum = counter.preciseSum();
  const cpus = topology().allowed;
  const run = await attempt(async () => (await runOnCpus({ counter, iterations: 1_000, cpus })).length === cpus.length);
  const { min, max } = counter.bounds();
  const after = counter.preciseSum();
  const inProc = (ratio) => ratio > 0.9 && ratio < 1.1;
  console.log(JSON.stringify({
    source: CounterArena.default.cpuSource,
    sum,
    run,
    lost: sum + (run === true ? 1_000 * cpus.length : 0) - after,
    withinBounds: min <= after && after <= max,
    affinity: await attempt(() => getAffinity().length > 0),
    pinned: await attempt(async () => { await new PinnedWorker('0', { eval: true, execArgv: [], cpu: cpus[0] }).terminate(); return true; }),
    topology: topology().online.length >= 1,
    rss: await attempt(() => inProc(rss() / process.memoryUsage.rss())),
    readRss: await attempt(() => { const { min, precise, max } = readRss(); return min <= precise && precise <= max; }),
    scanRss: await attempt(async () => (await scanRss()).some(({ pid }) => pid === process.pid)),
    accounting: await attempt(() => rssAccounting().model !== undefined),
  }));`;

interface Case {
  what: string;
  poorer: string[];
  /** What differs from an environment that is whole. */
  expected: Record<string, unknown>;
  /** The same without the addon, where it is not as with it: affinity then comes from /proc. */
  fallback?: Record<string, unknown>;
}

const noProc = {
  rss: 'ERR_UNSUPPORTED_PLATFORM',
  readRss: 'ERR_UNSUPPORTED_PLATFORM',
  scanRss: 'ERR_UNSUPPORTED_PLATFORM',
};

const cases: Case[] = [
  { what: 'rseq refused by seccomp', poorer: ['--refuse', 'rseq=1'], expected: { source: 'getcpu' } },
  { what: 'no rseq and no vDSO', poorer: ['--refuse', 'rseq=38', '--no-vdso'], expected: { source: 'getcpu' } },
  {
    what: 'no rseq, and getcpu refused',
    poorer: ['--refuse', 'rseq=38', '--refuse', 'getcpu=1', '--no-vdso'],
    expected: { source: 'thread' },
  },
  {
    what: 'sched_setaffinity refused',
    poorer: ['--refuse', 'sched_setaffinity=1'],
    expected: { run: 'EPERM', pinned: 'EPERM' },
  },
  {
    what: 'sched_getaffinity refused',
    poorer: ['--refuse', 'sched_getaffinity=1'],
    expected: { affinity: 'EPERM', pinned: 'EPERM' },
    fallback: {},
  },
  { what: 'mbind refused', poorer: ['--refuse', 'mbind=1'], expected: {} },
  { what: '/sys missing', poorer: ['--hide', '/sys'], expected: {} },
  { what: '/proc missing', poorer: ['--hide', '/proc'], expected: noProc, fallback: { ...noProc, affinity: 'ENOENT' } },
  {
    what: '/proc and /sys missing',
    poorer: ['--hide', '/proc', '--hide', '/sys'],
    expected: noProc,
    fallback: { ...noProc, affinity: 'ENOENT' },
  },
];

/** What a whole environment gives. */
const whole = {
  source: threadCpu.source,
  sum: 2_000,
  run: true,
  lost: 0,
  withinBounds: true,
  affinity: true,
  pinned: true,
  topology: true,
  rss: true,
  readRss: true,
  scanRss: true,
  accounting: true,
};
const withoutAddon = { run: 'ERR_NATIVE_UNAVAILABLE', pinned: 'ERR_NATIVE_UNAVAILABLE', source: 'thread' };

/** The status of degrade.cc where the environment cannot be had. */
const IMPOSSIBLE = 125;

function inPoorer(poorer: string[], args: string[]) {
  const environment = { ...process.env };
  delete environment.NODE_OPTIONS;
  const { status, stdout, stderr } = spawnSync(degrade, [...poorer, '--', process.execPath, ...args], {
    env: environment,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describeUnless(reason)('in an environment with less', () => {
  it.for(cases)(
    '$what: right results, degraded visibly',
    { timeout: 60_000 },
    ({ poorer, expected, fallback = expected }, { skip }) => {
      const { status, stdout, stderr } = inPoorer(poorer, ['--input-type=module', '--eval', PROGRAM]);
      if (status === IMPOSSIBLE) skip(stderr.trim());
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const differs = native.addon ? expected : { ...fallback, ...withoutAddon };
      expect(JSON.parse(stdout)).toEqual({ ...whole, ...differs });
    },
  );

  it.for(cases)('$what: the report says what there is', { timeout: 60_000 }, ({ poorer, expected }, { skip }) => {
    const { status, stdout, stderr } = inPoorer(poorer, [doctor, 'doctor', '--json']);
    if (status === IMPOSSIBLE) skip(stderr.trim());
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { engine } = JSON.parse(stdout) as { engine: { cpuSource: string } };
    expect(engine.cpuSource).toBe(native.addon ? (expected.source ?? whole.source) : 'thread');
  });
});

itUnless(reason)('the program that takes things away refuses what it does not know', () => {
  expect(() => execFileSync(degrade, ['--refuse', 'nothing=1', '--', 'true'], { stdio: 'ignore' })).toThrow();
});
