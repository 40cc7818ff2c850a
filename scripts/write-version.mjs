// Writes lib/version.ts from package.json: `npm version` runs this, and commits both.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, run } from './run.mjs';

const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
const file = join(repository, 'lib', 'version.ts');
writeFileSync(file, readFileSync(file, 'utf8').replace(/'[^']*'/, `'${version}'`));
await run('git', ['add', file]);
