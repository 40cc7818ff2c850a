// Builds the addon that tests load besides the product's: the C++ engine, one operation a call, and the structures and
// constants that C++ shares with TypeScript. test/native/addon/ has its sources; the package has neither.
// Usage: node scripts/build-test-addon.mjs
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { isAvailable, repository, run } from './run.mjs';

export const TEST_ADDON = 'build-test/percpu_test.node';

const SOURCES = ['test_addon', 'counter_engine', 'schema'].map((name) => `test/native/addon/${name}.cc`);

// As native/percpu.gypi has them.
const FLAGS = [
  ...[
    '-std=c++20',
    '-O2',
    '-fno-exceptions',
    '-fno-rtti',
    '-fvisibility=hidden',
    '-Wall',
    '-Wextra',
    '-fPIC',
    '-shared',
  ],
  ...['NAPI_VERSION=8', 'NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED'].map((name) => `-D${name}`),
  '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
];

/**
 * @param {{ out?: string, flags?: string[] }} [options] out: the file to make, from the repository's root; flags: more for
 *   the compiler.
 * @throws Error with `output` where the compiler fails or is not there.
 */
export async function buildTestAddon({ out = TEST_ADDON, flags = [] } = {}) {
  const compiler = process.env.CXX ?? ((await isAvailable('c++')) ? 'c++' : 'g++');
  const { resolve } = createRequire(import.meta.url);
  const napi = dirname(resolve('node-addon-api/package.json'));
  const includes = ['native', napi, join(dirname(resolve('node-api-headers/package.json')), 'include')];
  mkdirSync(dirname(join(repository, out)), { recursive: true });
  const args = [...FLAGS, ...flags, ...includes.map((folder) => `-I${folder}`)];
  await run(compiler, [...args, ...SOURCES, 'native/binding/values.cc', '-o', out], { capture: true });
}

if (process.argv[1] === join(repository, 'scripts', 'build-test-addon.mjs')) {
  try {
    await buildTestAddon();
    process.stderr.write(`built ${TEST_ADDON}\n`);
  } catch (error) {
    process.stderr.write(`${error.output ?? ''}${error.message}\n`);
    process.exit(1);
  }
}
