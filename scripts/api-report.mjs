// Writes etc/percpu.api.md, the report of all published types, from dist/.
// Usage: npm run api [-- --check]; --check fails when the report is not what the types say.
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { repository, run } from './run.mjs';

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
mkdirSync(`${repository}etc`, { recursive: true });
try {
  const mode = values.check ? [] : ['--local'];
  await run('api-extractor', ['run', ...mode, '--config', 'scripts/api-extractor.json'], { capture: true });
  console.log(values.check ? 'etc/percpu.api.md is what the types say' : 'wrote etc/percpu.api.md');
} catch (error) {
  process.stderr.write(`${error.output ?? ''}${error.message}\n`);
  if (values.check)
    process.stderr.write('If the change of the published types is meant: npm run api, and commit the report.\n');
  process.exit(1);
}
