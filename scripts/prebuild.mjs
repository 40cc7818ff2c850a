// Builds the binaries that the package brings along, into prebuilds/, the same bytes every time.
// Usage: node scripts/prebuild.mjs [--install] [--stale] [--check] [TARGET…]
//
// TARGET: linux-x64-glibc, linux-x64-musl, linux-arm64-glibc, linux-arm64-musl; all of them without. The machine is a
// Debian 12: its g++ 12, the same compiler for arm64, make and python3, and musl's headers in a cache of their own.
// --install gets what is missing with apt-get. --stale builds only what is older than its sources, and fails
// for what this machine has no tools for; PERCPU_PACK_PARTIAL=1 leaves that out, saying so. --check builds again and compares with what is there.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { headersFolder } from './build-addon.mjs';
import { newest } from './newest.mjs';
import { fetchMusl, hasMusl } from './prebuild/musl.mjs';
import { buildEnvironment, NODE_TARGET, neededTools, targets, versionMark } from './prebuild/targets.mjs';
import { isAvailable, repository, run } from './run.mjs';

const say = (line) => process.stderr.write(`${line}\n`);

const SOURCES = ['native', 'binding.gyp', 'package.json'];

/** What a target's build lacks on this machine: Debian packages, and whether musl is to be fetched. */
async function lacking(target) {
  const packages = [];
  for (const { command, debianPackage } of neededTools(target)) {
    if (!(await isAvailable(command))) packages.push(debianPackage);
  }
  return { packages, musl: target.libc === 'musl' && !hasMusl(target.arch) };
}

/** The version is compiled in; package.json itself changes for other reasons too. */
function isFresh({ file }) {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  if (newest(file) <= newest('native', 'binding.gyp', 'scripts/prebuild')) return false;
  return readFileSync(join(repository, file)).includes(versionMark(version));
}

/**
 * npm takes a script of this name for what is to run before `build`, too, and says nothing of it to the script. Only its
 * own process's title tells which of the two was asked for.
 */
function isHookOfBuild() {
  let pid = process.ppid;
  for (let generation = 0; generation < 4 && pid > 1; generation++) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split(/[\0 ]+/);
      const script = words.find((word) => /^(pre)?build$/.test(word));
      if (script) return script === 'build';
      pid = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? 0);
    } catch {
      return false;
    }
  }
  return false;
}

async function install(packages) {
  say(`installing ${packages.join(' ')}`);
  await run('apt-get', ['update', '-qq'], { capture: true });
  const flags = ['install', '-y', '-qq', '--no-install-recommends'];
  await run('apt-get', [...flags, ...packages], { capture: true, env: { DEBIAN_FRONTEND: 'noninteractive' } });
}

/** @returns why a target cannot be built here, or undefined once everything it needs is there. */
async function prepare(target, mayInstall) {
  if (!headersFolder()) return "Node's headers are missing (include/node beside its bin folder)";
  const { packages, musl } = await lacking(target);
  if (packages.length === 0 && !musl) return undefined;
  if (!mayInstall) {
    return `missing ${[...packages, ...(musl ? [`musl-dev for ${target.arch}`] : [])].join(', ')} (--install gets them)`;
  }
  if (packages.length > 0) await install(packages);
  if (musl) await fetchMusl(target.arch);
  return undefined;
}

/** Builds in a folder of its own: build/ belongs to whoever works on the tree. Returns the binary. */
async function build(target) {
  const stage = mkdtempSync(join(tmpdir(), 'percpu-prebuild-'));
  try {
    for (const source of SOURCES) cpSync(join(repository, source), join(stage, source), { recursive: true });
    symlinkSync(join(repository, 'node_modules'), join(stage, 'node_modules'));
    const env = { ...(await buildEnvironment(target, stage)), npm_config_nodedir: headersFolder() };
    const args = ['--napi', '--strip', '--target', NODE_TARGET, '--platform', 'linux', '--arch', target.arch];
    await run('prebuildify', [...args, '--tag-libc', target.libc, '--cwd', stage], { capture: true, env });
    return readFileSync(join(stage, target.file));
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { install: { type: 'boolean' }, stale: { type: 'boolean' }, check: { type: 'boolean' } },
    allowPositionals: true,
  });
  const unknown = positionals.find((name) => !targets.some((target) => target.name === name));
  if (unknown !== undefined) {
    say(`no target ${unknown}; there are ${targets.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  if (process.platform !== 'linux') {
    say('prebuilt binaries are made on Linux');
    return 0;
  }
  if (process.env.npm_lifecycle_event === 'prebuild' && isHookOfBuild()) return 0;
  let status = 0;
  for (const target of targets) {
    if (positionals.length > 0 && !positionals.includes(target.name)) continue;
    if (values.stale && isFresh(target)) continue;
    const problem = await prepare(target, values.install);
    if (problem) {
      say(`${target.name}: ${values.stale ? 'left out: ' : ''}${problem}`);
      if (!values.stale || process.env.PERCPU_PACK_PARTIAL !== '1') status = 1;
      continue;
    }
    const binary = await build(target);
    const file = join(repository, target.file);
    if (values.check) {
      const same = existsSync(file) && readFileSync(file).equals(binary);
      say(`${target.name}: ${same ? 'the same bytes again' : 'other bytes than in prebuilds/'}`);
      if (!same) status = 1;
      continue;
    }
    mkdirSync(dirname(file), { recursive: true });
    // Renamed into its place: a process that has the old one mapped keeps it whole.
    writeFileSync(`${file}.new`, binary, { mode: 0o755 });
    renameSync(`${file}.new`, file);
    say(`${target.name}: ${binary.length} bytes`);
  }
  if (values.stale && status !== 0) {
    say('the package would lack binaries: npm run prebuild -- --install; PERCPU_PACK_PARTIAL=1 packs without them');
  }
  return status;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(`${error.output ?? ''}${error.message}`);
  process.exitCode = 1;
}
