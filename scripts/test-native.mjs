// Builds the C++ core and its tests with plain CMake and runs them.
// Usage: node scripts/test-native.mjs [--sanitize thread | --sanitize address,undefined]
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { run } from './run.mjs';

const { values } = parseArgs({ options: { sanitize: { type: 'string', default: '' } } });
const folder = `build-core${values.sanitize ? `-${values.sanitize.replaceAll(',', '-')}` : ''}`;
try {
  await run('cmake', ['-S', '.', '-B', folder, `-DPERCPU_SANITIZE=${values.sanitize}`], { capture: true });
  await run('cmake', ['--build', folder, '--parallel', String(availableParallelism())], { capture: true });
  await run('ctest', ['--test-dir', folder, '--output-on-failure']);
} catch (error) {
  process.stderr.write(`${error.output ?? ''}${error.message}\n`);
  process.exit(1);
}
