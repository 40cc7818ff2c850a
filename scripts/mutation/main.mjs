// Changes lib/ in small ways and counts the changes that no test notices.
// Usage: npm run test:mutation [-- --mutate GLOB,…]; default: lib/oom and lib/mm. The report: build-mutation/report.html.
// Its tools are installed on first use, into this folder.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../run.mjs';

const here = import.meta.dirname;
const { values } = parseArgs({ options: { mutate: { type: 'string', default: 'lib/oom/**/*.ts,lib/mm/**/*.ts' } } });
try {
  if (!existsSync(join(here, 'node_modules/@stryker-mutator/core'))) {
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, capture: true });
  }
  const stryker = join(here, 'node_modules/@stryker-mutator/core/bin/stryker.js');
  await run(process.execPath, [stryker, 'run', 'scripts/mutation/stryker.config.json', '--mutate', values.mutate]);
} catch (error) {
  process.stderr.write(`${error.output ?? ''}${error.message}\n`);
  process.exit(1);
}
