// Runs one smoke script over all runtimes, with the package as npm packs it, and prints what ran as a table.
// Usage: node scripts/test-runtimes.mjs [--package FILE.tgz] [--only TEXT] [--json]
//
// Every runtime has to count in two workers, run native threads, and read processes; then again where the addon must not or
// cannot be loaded, and has to say why. Runtimes come from npm, into ~/.cache/percpu-runtimes. --only: those whose name,
// architecture or C library contains TEXT, such as arm64.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repository, run } from './run.mjs';
import { fetchRuntime, launcher, runtimes } from './runtimes/runtimes.mjs';

const TIMEOUT_MS = 120_000;
const smoke = join(repository, 'scripts', 'runtimes', 'smoke.mjs');

/** Starts a runtime on the smoke script. Returns what it printed, or how it ended. */
function runSmoke({ command, before, env }, args, folder, setting) {
  const { PERCPU_NATIVE, ...inherited } = process.env;
  const options = {
    env: { ...inherited, NO_COLOR: '1', ...env, ...(setting && { PERCPU_NATIVE: setting }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
  };
  return new Promise((resolve) => {
    const child = spawn(command, [...before, ...args, smoke, folder], options);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', (error) => resolve({ failed: error.message }));
    child.on('close', (code, signal) => {
      const line = stdout.trim().split('\n').at(-1);
      if (code === 0 && line.startsWith('{')) resolve(JSON.parse(line));
      else resolve({ failed: `${signal ?? `status ${code}`}: ${stderr.trim().split('\n').slice(0, 3).join(' ')}` });
    });
  });
}

/** What has to come out with the addon. */
function nativeProblem(outcome) {
  if (outcome.failed) return outcome.failed;
  if (!outcome.addon) return outcome.reason;
  const parts = ['workers', 'runOnCpus', 'scanRss', 'readRss'].filter((part) => outcome[part] !== 'ok');
  return parts.map((part) => `${part}: ${outcome[part]}`).join(', ');
}

/** What has to come out without it. */
function fallbackProblem(outcome, reason) {
  if (outcome.failed) return outcome.failed;
  if (outcome.addon) return `loaded all the same, ${outcome.reason}`;
  if (!reason.test(outcome.reason)) return `the reason is "${outcome.reason}"`;
  if (outcome.workers !== 'ok') return `workers: ${outcome.workers}`;
  return outcome.runOnCpus === 'ERR_NATIVE_UNAVAILABLE' ? '' : `runOnCpus: ${outcome.runOnCpus}`;
}

/** Files that are no addon for a runtime, and what has to be said of each. */
function unfitFiles({ arch, libc }, folder, scratch) {
  const own = join(folder, 'prebuilds', `linux-${arch}`, `percpu.${libc}.node`);
  const whole = readFileSync(own);
  const text = join(scratch, 'text.node');
  const cut = join(scratch, 'cut.node');
  writeFileSync(text, 'This is not an addon.\n');
  writeFileSync(cut, whole.subarray(0, Math.floor(whole.length / 2)));
  const [otherLibc, otherArch] = [libc === 'glibc' ? 'musl' : 'glibc', arch === 'x64' ? 'arm64' : 'x64'];
  return [
    { name: 'other libc', path: own.replace(`.${libc}.`, `.${otherLibc}.`), reason: /built for (musl|glibc)/ },
    { name: 'other arch', path: own.replace(`linux-${arch}`, `linux-${otherArch}`), reason: /built for (x64|arm64)/ },
    { name: 'missing', path: join(scratch, 'nowhere.node'), reason: /no such file/ },
    { name: 'text', path: text, reason: /not a shared library/ },
    { name: 'cut off', path: cut, reason: /cut off/ },
  ];
}

async function tryRuntime(runtime, folder, scratch) {
  const start = await launcher(runtime, await fetchRuntime(runtime));
  if (typeof start === 'string') return { skipped: start };
  const [runtimeVersion] = await versionOf(start);
  const outcome = await runSmoke(start, runtime.allowed, folder);
  const problems = { native: nativeProblem(outcome) };
  // What differs without the addon is not the architecture: under emulation, which is slow, one of the ways to it will do.
  const emulated = runtime.arch !== process.arch;
  if (runtime.denied && !emulated) {
    problems['not permitted'] = fallbackProblem(await runSmoke(start, runtime.denied, folder), /disabled|access/);
  }
  const unfit = unfitFiles(runtime, folder, scratch);
  for (const { name, path, reason } of emulated ? unfit.slice(0, 1) : unfit) {
    problems[name] = fallbackProblem(await runSmoke(start, runtime.allowed, folder, path), reason);
  }
  return { version: runtimeVersion, outcome, problems };
}

async function versionOf({ command, before, env }) {
  const text = await run(command, [...before, '--version'], { capture: true, env });
  return /\d+\.\d+\.\d+/.exec(text) ?? ['unknown'];
}

function row(runtime, { skipped, version, outcome, problems }) {
  const name = `${runtime.name.split(' ')[0]} ${version ?? runtime.name.split(' ')[1] ?? ''}`.trim();
  const where = `${runtime.arch}${runtime.arch === process.arch ? '' : ' (emulated)'}, ${runtime.libc}`;
  if (skipped) return [name, where, 'not run', skipped, ''];
  const fallbacks = Object.entries(problems).filter(([kind]) => kind !== 'native');
  const fell = fallbacks.map(([kind, problem]) => (problem ? `${kind}: **${problem}**` : kind)).join(', ');
  const parts = `workers ${outcome.workers}, runOnCpus ${outcome.runOnCpus}, scanRss ${outcome.scanRss}, readRss ${outcome.readRss}`;
  return [name, where, problems.native ? `**${problems.native}**` : `native, ${outcome.cpuSource}`, parts, fell];
}

async function main() {
  const { values } = parseArgs({
    options: { package: { type: 'string' }, only: { type: 'string', default: '' }, json: { type: 'boolean' } },
  });
  const scratch = mkdtempSync(join(tmpdir(), 'percpu-runtimes-'));
  try {
    let tarball = values.package;
    if (!tarball) {
      const packed = await run('npm', ['pack', '--silent', '--pack-destination', scratch], {
        capture: true,
        env: { PERCPU_PACK_PARTIAL: '1' },
      });
      tarball = join(scratch, packed.trim().split('\n').at(-1));
    }
    await run('tar', ['xzf', tarball, '-C', scratch], { capture: true, cwd: process.cwd() });
    const folder = join(scratch, 'package');
    const results = [];
    for (const runtime of runtimes) {
      if (!`${runtime.name} ${runtime.arch} ${runtime.libc}`.includes(values.only)) continue;
      if (!existsSync(join(folder, 'prebuilds', `linux-${runtime.arch}`, `percpu.${runtime.libc}.node`))) {
        throw new Error(`the package has no binary for linux-${runtime.arch} ${runtime.libc} (npm run prebuild)`);
      }
      process.stderr.write(`${runtime.name} ${runtime.arch} ${runtime.libc}\n`);
      results.push({ runtime, ...(await tryRuntime(runtime, folder, scratch)) });
    }
    if (values.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
    else {
      const head = ['runtime', 'machine', 'addon, CPU number', 'ran', 'fell back, saying why'];
      const rows = [head, head.map(() => '---'), ...results.map((result) => row(result.runtime, result))];
      process.stdout.write(`${rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`);
    }
    return results.some(({ problems = {} }) => Object.values(problems).some(Boolean)) ? 1 : 0;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error.output ?? ''}${error.message}\n`);
  process.exitCode = 1;
}
