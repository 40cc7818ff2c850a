// Runs all tests, without the addon and then with it, and prints how much of lib/ they run.
// Usage: npm run test:coverage [-- FILE…]; FILE: test files, as Vitest takes them. What no test runs:
// build-coverage/uncovered.txt.
//
// Tests import lib/ itself, which Vitest measures, and load dist/ in threads and child processes, which Node measures
// (NODE_V8_COVERAGE). Source maps lead from dist/ to lib/. A line or a branch counts as run when either has run it.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { mergeScriptCovs } from '@bcoe/v8-coverage';
import { convert } from 'ast-v8-to-istanbul';
import { parseAst } from 'vitest/node';
import { repository, run } from './run.mjs';

/** Percent below which something is wrong with the measurement, or many tests are gone. */
const FLOOR = { lines: 85, branches: 75 };

const testFiles = process.argv.slice(2);
const folder = join(repository, 'build-coverage');
const raw = join(folder, 'raw');
const dist = pathToFileURL(join(repository, 'dist')).href;

/** @returns {object | undefined} a coverage file of Node; undefined for one whose process ended while writing it. */
function readRaw(file) {
  try {
    return JSON.parse(readFileSync(join(raw, file), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Coverage of dist/ by threads and processes, in Istanbul's form, one map for each script. */
async function coverageOfDist() {
  const scripts = new Map();
  for (const file of readdirSync(raw)) {
    for (const script of readRaw(file)?.result ?? []) {
      if (!script.url.startsWith(`${dist}/`)) continue;
      // Tests import some files anew, under `file.js?2`.
      const url = script.url.replace(/[?#].*$/, '');
      const known = scripts.get(url);
      // Merged as they come: all of them at once do not fit into memory.
      scripts.set(url, known ? mergeScriptCovs([known, { ...script, url }]) : { ...script, url });
    }
  }
  return Promise.all(
    [...scripts].map(async ([url, coverage]) => {
      const code = readFileSync(new URL(url), 'utf8');
      const sourceMap = JSON.parse(readFileSync(new URL(`${url}.map`), 'utf8'));
      return convert({ ast: parseAst(code), code, wrapperLength: 0, coverage, sourceMap });
    }),
  );
}

/** Adds Istanbul's map to `files`: for each file of lib/, the runs of each line and of each branch by its place. */
function addTo(files, map) {
  for (const [path, { statementMap, s, branchMap, b }] of Object.entries(map)) {
    const name = relative(repository, path);
    if (!/^lib\/.*\.ts$/.test(name)) continue;
    if (!files.has(name)) files.set(name, { lines: new Map(), branches: new Map() });
    const { lines, branches } = files.get(name);
    const add = (counts, key, count) => counts.set(key, Math.max(counts.get(key) ?? 0, count));
    for (const [id, { start }] of Object.entries(statementMap)) add(lines, start.line, s[id]);
    for (const [id, { loc }] of Object.entries(branchMap)) {
      for (const [way, count] of b[id].entries()) add(branches, `${loc.start.line}:${loc.start.column}/${way}`, count);
    }
  }
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(raw, { recursive: true });
try {
  const environment = { NODE_V8_COVERAGE: raw };
  await run('vitest', ['run', ...testFiles], { env: { ...environment, PERCPU_NATIVE: '0' } });
  const vitest = ['run', ...testFiles, '--coverage.enabled', '--coverage.provider=v8', '--coverage.reporter=json'];
  const where = [
    '--coverage.include=lib/**/*.ts',
    '--coverage.exclude=lib/counter/wasm/hot-path.ts',
    `--coverage.reportsDirectory=${join(folder, 'lib')}`,
  ];
  await run('vitest', [...vitest, ...where], { env: environment });
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

const files = new Map();
addTo(files, JSON.parse(readFileSync(join(folder, 'lib/coverage-final.json'), 'utf8')));
for (const map of await coverageOfDist()) addTo(files, map);

const sum = { lines: { all: 0, run: 0 }, branches: { all: 0, run: 0 } };
const uncovered = [];
for (const [name, file] of [...files].sort()) {
  for (const kind of ['lines', 'branches']) {
    const counts = [...file[kind].values()];
    sum[kind].all += counts.length;
    sum[kind].run += counts.filter((count) => count > 0).length;
  }
  for (const [line, count] of [...file.lines].sort(([a], [b]) => a - b)) {
    if (count === 0) uncovered.push(`${name}:${line}`);
  }
}
writeFileSync(join(folder, 'uncovered.txt'), `${uncovered.join('\n')}\n`);
const percent = (kind) => (100 * sum[kind].run) / sum[kind].all;
console.log(
  `coverage of lib/: ${percent('lines').toFixed(1)} % of lines, ${percent('branches').toFixed(1)} % of branches`,
);
for (const [kind, floor] of Object.entries(testFiles.length > 0 ? {} : FLOOR)) {
  // Written so that no coverage at all (0 of 0) fails as well.
  if (percent(kind) >= floor) continue;
  process.stderr.write(`less than ${floor} % of ${kind}; what no test runs is in build-coverage/uncovered.txt\n`);
  process.exitCode = 1;
}
