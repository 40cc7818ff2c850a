// Runs the C++ tests under ThreadSanitizer and under AddressSanitizer with UndefinedBehaviorSanitizer, then the addon,
// built with the latter two, under the JavaScript tests that load it.
// Usage: node scripts/test-sanitizers.mjs [--only cpp | --only addon] [TEST FILES OR FOLDERS]
//
// Leaks are not looked for in the addon's run: Node frees little of its own on its way out. Test files of their own kind
// (test/cli, test/oom, …) that call nothing native are left out.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildTestAddon } from './build-test-addon.mjs';
import { isAvailable, repository, run } from './run.mjs';

const WITH_ADDON = ['contract', 'counter', 'cpu', 'lifecycle', 'mm', 'proc', 'property'].map((name) => `test/${name}`);

const { values, positionals } = parseArgs({ options: { only: { type: 'string' } }, allowPositionals: true });

async function testCore(sanitizers) {
  process.stderr.write(`\n== C++ tests, ${sanitizers} sanitizer\n`);
  await run('node', ['scripts/test-native.mjs', '--sanitize', sanitizers]);
}

/** The library of a sanitizer, which must be loaded before everything else. */
async function runtime(compiler, name) {
  return (await run(compiler, [`-print-file-name=${name}`], { capture: true })).trim();
}

async function testAddon() {
  process.stderr.write('\n== the addon under the JavaScript tests, address and undefined-behaviour sanitizer\n');
  await run('node', ['scripts/build.mjs', '--quiet']);
  const settings = ['--out', 'build-asan', '--CDPERCPU_SANITIZE=address,undefined', '--CDPERCPU_TESTS=OFF'];
  await run('cmake-js', ['build', ...settings], { capture: true });
  const testAddon = 'build-asan/percpu_test.node';
  await buildTestAddon({
    out: testAddon,
    flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-g'],
  });
  const compiler = process.env.CXX ?? ((await isAvailable('c++')) ? 'c++' : 'g++');
  const libraries = await Promise.all(['libasan.so', 'libubsan.so'].map((name) => runtime(compiler, name)));
  const env = {
    LD_PRELOAD: libraries.join(':'),
    // V8 handles accesses outside of a WebAssembly memory by their signal.
    ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:handle_sigbus=0:abort_on_error=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    PERCPU_NATIVE: join(repository, 'build-asan', 'Release', 'percpu.node'),
    PERCPU_TEST_ADDON: join(repository, testAddon),
    PERCPU_SANITIZED: '1',
  };
  const tests = positionals.length > 0 ? positionals : WITH_ADDON;
  // Everything is some times slower.
  await run('vitest', ['run', '--testTimeout=300000', ...tests], { env });
}

try {
  if (values.only !== 'addon') {
    await testCore('thread');
    await testCore('address,undefined');
  }
  if (values.only !== 'cpp') await testAddon();
} catch (error) {
  process.stderr.write(`${error.output ?? ''}${error.message}\n`);
  process.exit(1);
}
