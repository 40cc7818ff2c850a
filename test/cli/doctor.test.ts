import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { topology } from '../../lib/cpu/topology.js';
import type { DoctorReport } from '../../lib/doctor/report.js';
import { native } from '../../lib/native/native.js';
import packageJson from '../../package.json' with { type: 'json' };
import { itUnless, notLinux } from '../support/skip.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the built command with its output piped. */
function percpu(args: string[], env: NodeJS.ProcessEnv = {}, onSpawn?: (child: ReturnType<typeof spawn>) => void) {
  const { FORCE_COLOR, NO_COLOR, ...inherited } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...inherited, ...env } });
  const outcome: Outcome = { status: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (outcome.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (outcome.stderr += text));
  onSpawn?.(child);
  return new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ ...outcome, status }));
  });
}

async function doctorJson(args: string[], env?: NodeJS.ProcessEnv): Promise<DoctorReport> {
  const { status, stdout, stderr } = await percpu(['doctor', '--json', ...args], env);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

describe('usage', () => {
  it.each([['--help'], ['-h'], ['help']])('%s', async (...args) => {
    const { status, stdout, stderr } = await percpu(args);
    expect(stdout).toMatch(/^Usage: percpu /);
    expect(stdout).toContain('doctor');
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it.each([
    ['doctor', '--help'],
    ['help', 'doctor'],
  ])('%s %s', async (...args) => {
    const { status, stdout } = await percpu(args);
    expect(stdout).toMatch(/^Usage: percpu doctor /);
    for (const option of ['--run', '--all', '--json']) expect(stdout).toContain(option);
    expect(status).toBe(0);
  });

  it.each(['--version', '-v', '-V'])('%s', async (option) => {
    expect(await percpu([option])).toEqual({ status: 0, stdout: `${packageJson.version}\n`, stderr: '' });
  });

  it.each([
    [[], 'a command is missing', 'percpu '],
    [['nope'], "unknown command 'nope'", 'percpu '],
    [['--nope'], "unknown option '--nope'", 'percpu '],
    [['docter'], "unknown command 'docter' (Did you mean doctor?)", 'percpu '],
    [['help', 'docter'], "unknown command 'docter' (Did you mean doctor?)", 'percpu '],
    [['no\u009bpe\u202e'], "unknown command 'no?pe?'", 'percpu '],
    [['help', 'nope'], "unknown command 'nope'", 'percpu '],
    [['doctor', '--nope'], "unknown option '--nope'", 'percpu doctor '],
    [['doctor', '--jsn'], "unknown option '--jsn' (Did you mean --json?)", 'percpu doctor '],
    [['doctor', 'x'], "too many arguments for 'doctor'", 'percpu doctor '],
  ])('%j is refused: one line, the usage, exit status 2', async (args, message, usage) => {
    const { status, stdout, stderr } = await percpu(args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    const [first = '', second, third] = stderr.split('\n');
    expect(first.startsWith(`percpu: ${message}`), first).toBe(true);
    expect(second).toBe('');
    expect(third?.startsWith(`Usage: ${usage}`), third).toBe(true);
  });
});

describe('doctor', () => {
  const cases: [string, NodeJS.ProcessEnv, boolean][] = [
    ['as it is', {}, native.addon !== undefined],
    ['with PERCPU_NATIVE=0', { PERCPU_NATIVE: '0' }, false],
  ];

  it.each(cases)('--json %s', async (_, env, addon) => {
    const { version, engine, machine, accounting, monitors, run, processes } = await doctorJson([], env);
    expect(version).toBe(packageJson.version);
    expect(engine).toMatchObject({ addonLoaded: addon, name: 'wasm' });
    expect(engine!.addonReason).not.toBe('');
    if (!addon) expect(engine).toMatchObject({ cpuSource: 'thread', cpuSourceReason: 'no native addon' });
    const { possible, online, allowed } = topology();
    expect(machine).toMatchObject({ possible, online, allowed, platform: process.platform, node: process.version });
    expect(run).toBeNull();
    if (process.platform !== 'linux') return;
    expect(accounting).toMatchObject({ model: expect.any(String), batch: expect.any(Number) });
    expect(monitors[0]).toMatchObject({ name: 'process.memoryUsage()', version: process.version, precise: false });
    expect(processes.unavailable).toBe('');
    expect(processes.examined).toBeGreaterThanOrEqual(processes.differing.length);
    expect(processes.examined).toBeGreaterThan(0);
    const errors = processes.differing.map(({ errorBytes }) => Math.abs(errorBytes));
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    expect(errors).not.toContain(0);
    expect(processes.totalErrorBytes).toBe(errors.reduce((sum, error) => sum + error, 0));
  });

  it.each(cases)('--run --json %s', { timeout: 30_000 }, async (_, env, addon) => {
    const { run } = await doctorJson(['--run'], env);
    const { allowed } = topology();
    expect(run).toMatchObject({ pinned: addon, ok: true, checks: { exact: true, documented: true, tight: true } });
    const { threads, precise, approximate, totalAdds, documented, tight } = run!;
    if (addon) expect(threads.map(({ cpu }) => cpu)).toEqual(allowed);
    if (addon) expect(run!.migrations).toBe(0);
    if (!addon) expect(threads.every(({ cpu }) => cpu === null)).toBe(true);
    expect(threads.reduce((sum, { adds }) => sum + adds, 0)).toBe(totalAdds);
    expect(precise).toBe(totalAdds);
    expect(documented.min).toBeLessThanOrEqual(tight.min);
    expect(documented.max).toBeGreaterThanOrEqual(tight.max);
    expect(tight.min).toBe(approximate);
    expect(run!.jsNsPerAdd).toBeGreaterThan(0.1);
    expect(run!.jsNsPerAdd).toBeLessThan(10_000);
    expect(run!.elapsedNs).toBeGreaterThan(1e7);
  });

  it.each(cases)('--run in plain text %s', { timeout: 30_000 }, async (_, env, addon) => {
    const { status, stdout, stderr } = await percpu(['doctor', '--run'], { ...env, CI: 'true' });
    expect(status).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).not.toContain('\u001b');
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(stdout.startsWith(`percpu ${packageJson.version}\n`)).toBe(true);
    expect(stdout.split('\n')[1]?.startsWith('Fallback')).toBe(!addon);
    expect(stdout).toContain(addon ? 'Pinned run of ' : 'not pinned: ');
    expect(stdout).toMatch(/^ {2}Verdict +OK$/m);
  });

  it('has colours when they are demanded', async () => {
    expect((await percpu(['doctor'], { FORCE_COLOR: '1' })).stdout).toContain('\u001b[1m');
  });
});

describe('when something goes wrong', () => {
  const breaking =
    "import os from 'node:os'; os.release = () => { throw Object.assign(new Error('it\\u009b31m\\nbroke'), { code: 'EBROKE' }) };";
  const env = { NODE_OPTIONS: `--import="data:text/javascript,${encodeURIComponent(breaking)}"` };

  it('reports the part that failed and goes on with the others, with exit status 1', async () => {
    const { status, stdout, stderr } = await percpu(['doctor'], env);
    expect([status, stderr]).toEqual([1, '']);
    expect(stdout).toMatch(/^What failed\n {2}machine +NOT OK it\?31m$/m);
    expect(stdout).toContain('\nEngine\n');
    expect(stdout).not.toContain('\nMachine\n');
    expect(stdout).toContain('RSS as Node reports it');
  });

  it('gives programs the failure beside the rest, and nothing that steers a terminal', async () => {
    const { status, stdout, stderr } = await percpu(['doctor', '--json'], env);
    expect([status, stderr]).toEqual([1, '']);
    expect(stdout).not.toMatch(/[\u007f-\u009f]/);
    const { failures, machine, engine } = JSON.parse(stdout) as DoctorReport;
    expect(failures).toEqual([{ part: 'machine', code: 'EBROKE', message: 'it\u009b31m\nbroke' }]);
    expect(machine).toBeNull();
    expect(engine).not.toBeNull();
  });

  itUnless(notLinux)('reports what it can where addresses are short', async () => {
    const child = spawn('sh', ['-c', `ulimit -v 1500000; exec "$0" "$@"`, process.execPath, MAIN, 'doctor', '--json']);
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    const [status] = await once(child, 'close');
    const report = JSON.parse(stdout) as DoctorReport;
    expect(report.processes.examined).toBeGreaterThan(0);
    expect(status).toBe(report.failures.length > 0 ? 1 : 0);
    expect(report.engine === null).toBe(report.failures.some(({ part }) => part === 'engine'));
  });

  it('ends quietly when nobody reads on', async () => {
    const outcome = await percpu(['doctor', '--json'], {}, (child) => child.stdout?.destroy());
    expect(outcome).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});
