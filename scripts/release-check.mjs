// Goes through everything a release needs, and says what is missing.
// Usage: node scripts/release-check.mjs [--quick]
//
// --quick leaves out what takes minutes: building the binaries again to compare them, and the runtimes.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { manifestProblems, packedFiles } from './manifest.mjs';
import { newest } from './newest.mjs';
import { readSymbols, symbolProblems } from './prebuild/elf-symbols.mjs';
import { targets, versionMark } from './prebuild/targets.mjs';
import { repository, run } from './run.mjs';
import { pinProblems } from './workflow-pins.mjs';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));

const read = (file) => readFileSync(join(repository, file), 'utf8');

/** A command's own words where it fails. */
async function commandProblems(command, args, options) {
  return run(command, args, { capture: true, ...options }).then(
    () => [],
    (error) => [`${error.output ?? ''}${error.message}`.trim()],
  );
}

function versionProblems() {
  const problems = [];
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) problems.push(`${version} is no version`);
  if (!read('lib/version.ts').includes(`'${version}'`))
    problems.push('lib/version.ts is of another (npm version writes it)');
  const lock = JSON.parse(read('package-lock.json'));
  if (lock.version !== version) problems.push(`package-lock.json has ${lock.version}`);
  return problems;
}

/** package.json is the one place that has the address; npm shows it, and links of the README on npm start from it. */
function addressProblems() {
  const { repository: place, homepage, bugs } = JSON.parse(read('package.json'));
  const isAddress = (text) => typeof text === 'string' && /^(git\+)?https:\/\/[^/]+\/./.test(text);
  const fields = { 'repository.url': place?.url, homepage, 'bugs.url': bugs?.url };
  return Object.entries(fields).flatMap(([name, text]) =>
    isAddress(text) ? [] : [`package.json has no ${name}, an https address`],
  );
}

function changelogProblems() {
  const text = read('CHANGELOG.md');
  const heading = new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - \\d{4}-\\d{2}-\\d{2}$`, 'm').exec(text);
  if (!heading) return [`no section "## [${version}] - YEAR-MONTH-DAY"`];
  const [section] = text.slice(heading.index + heading[0].length).split(/^## /m);
  return section.trim() === '' ? [`the section of ${version} says nothing`] : [];
}

async function treeProblems() {
  const changed = await run('git', ['status', '--porcelain'], { capture: true }).catch((error) => error.message);
  return changed.trim() === '' ? [] : ['there is work that is not committed'];
}

async function prebuildProblems() {
  const { inspectElf } = await import('../dist/native/elf.js');
  return targets.flatMap(({ name, arch, file }) => {
    const path = join(repository, file);
    if (!existsSync(path)) return [`${name}: ${file} is missing (npm run prebuild)`];
    const library = inspectElf(readFileSync(path));
    if (typeof library === 'string') return [`${name}: ${library}`];
    const problems = symbolProblems(readSymbols(path));
    if (library.arch !== arch) problems.push(`is for ${library.arch}`);
    if (!readFileSync(path).includes(versionMark(version))) problems.push(`is not of version ${version}`);
    if (newest(file) <= newest('native')) problems.push('is older than its sources');
    return problems.map((problem) => `${name}: ${problem}`);
  });
}

/** From the tarball, in a folder with nothing else, with no way to a compiler. */
async function installProblems() {
  const folder = mkdtempSync(join(tmpdir(), 'percpu-install-'));
  try {
    const packed = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      capture: true,
    });
    const tarball = join(folder, packed.trim().split('\n').at(-1));
    mkdirSync(join(folder, 'project'));
    writeFileSync(join(folder, 'project', 'package.json'), '{ "private": true }');
    const project = { cwd: join(folder, 'project'), env: { CC: 'false', CXX: 'false' } };
    const failed = await commandProblems(
      'npm',
      ['install', '--no-audit', '--no-fund', '--cache', join(folder, 'cache'), tarball],
      project,
    );
    if (failed.length > 0) return failed;
    const doctor = join(folder, 'project', 'node_modules', 'percpu', 'dist', 'cli', 'main.js');
    const engine = async () =>
      JSON.parse(
        await run(process.execPath, [doctor, 'doctor', '--json'], { capture: true, env: { PERCPU_NATIVE: '' } }),
      ).engine;
    const problems = [];
    const whole = await engine();
    if (!whole.addonLoaded) problems.push(`the binary of this machine is not loaded: ${whole.addonReason}`);
    rmSync(join(folder, 'project', 'node_modules', 'percpu', 'prebuilds'), { recursive: true });
    const without = await engine();
    if (without.addonLoaded || !/no prebuilt binary for/.test(without.addonReason)) {
      problems.push(`without binaries, the reason is "${without.addonReason}"`);
    }
    return problems;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const checks = [
  ['version', versionProblems],
  ['addresses', addressProblems],
  ['changelog', changelogProblems],
  ['working tree', treeProblems],
  ['actions of the workflows', () => pinProblems(join(repository, '.github', 'workflows'))],
  ['build', () => commandProblems('node', ['scripts/build.mjs', '--quiet', '--no-addon'])],
  ['binaries', prebuildProblems],
  ['contents of the package', async () => manifestProblems(await packedFiles())],
  ['installed from the tarball', installProblems],
  ['binaries built again', () => commandProblems('node', ['scripts/prebuild.mjs', '--check']), 'slow'],
  ['runtimes', () => commandProblems('node', ['scripts/test-runtimes.mjs']), 'slow'],
];

let missing = 0;
for (const [name, check, slow] of checks) {
  if (slow && values.quick) continue;
  const problems = await Promise.resolve()
    .then(check)
    .catch((error) => [`${error.output ?? ''}${error.message}`]);
  missing += problems.length;
  process.stdout.write(`${problems.length === 0 ? 'ok     ' : 'MISSING'} ${name}\n`);
  for (const problem of problems) process.stdout.write(`${problem.replace(/^/gm, '          ')}\n`);
}
process.stdout.write(missing === 0 ? `${version} can be released\n` : `${version} cannot be released yet\n`);
process.exitCode = missing === 0 ? 0 : 1;
