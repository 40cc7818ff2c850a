// Builds what is missing or older than its sources: the WebAssembly hot path, the TypeScript, the addon, and the addon
// that only tests load.
// Usage: node scripts/build.mjs [--quiet] [--no-addon]
//
// The addon needs a C++ compiler. Without one the build goes on and says so: the package then runs on its fallback.
// All output goes to stderr, so that `npm start --silent -- --json` prints data and nothing else.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildAddon } from './build-addon.mjs';
import { buildTestAddon, TEST_ADDON } from './build-test-addon.mjs';
import { buildWasm } from './build-wasm.mjs';
import { newest } from './newest.mjs';
import { repository, run } from './run.mjs';

const quiet = process.argv.includes('--quiet');
const say = (line) => process.stderr.write(`${line}\n`);

/** What was compiled from a source that is no more would be packed and found. */
function removeOrphans() {
  for (const entry of readdirSync(join(repository, 'dist'), { recursive: true })) {
    const source = entry.replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts');
    if (source !== entry && !existsSync(join(repository, 'lib', source))) rmSync(join(repository, 'dist', entry));
  }
}

if (!existsSync(join(repository, 'node_modules', 'typescript'))) {
  say('the development dependencies are missing: npm install');
  process.exit(1);
}

const hotPath = 'lib/counter/wasm/hot-path.ts';
const hotPathBinary = 'lib/counter/wasm/hot-path-binary.ts';
if (newest(hotPathBinary) <= newest(hotPath, 'scripts/build-wasm.mjs')) {
  if (!quiet) say('building the WebAssembly hot path');
  await buildWasm();
}

if (newest('dist/index.js') <= newest('lib', 'tsconfig.json', 'package.json')) {
  say('building TypeScript');
  await run('tsc', ['-p', 'tsconfig.json']);
  removeOrphans();
}

/** @returns why it was not built; undefined: it was. */
const failure = (error) => {
  say(error.output ?? '');
  return `its build failed (${error.message})`;
};

async function buildAddons() {
  if (newest('build/Release/percpu.node') <= newest('native', 'binding.gyp')) {
    const onStart = () => say('building the native addon (some 20 seconds)');
    const problem = await buildAddon(undefined, onStart).catch(failure);
    if (problem) return say(`no native addon, the fallback is used: ${problem}`);
  }
  if (newest(TEST_ADDON) <= newest('native', 'test/native/addon', 'scripts/build-test-addon.mjs')) {
    const problem = await buildTestAddon().then(() => undefined, failure);
    if (problem) say(`no addon for tests: ${problem}`);
  }
}

if (process.argv.includes('--no-addon')) {
  // A package brings prebuilt ones.
} else if (process.env.PERCPU_NATIVE === '0') {
  if (!quiet) say('not building the addon: PERCPU_NATIVE=0');
} else {
  await buildAddons();
}
