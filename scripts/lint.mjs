// Checks, or with --fix rewrites, the form of all sources: Biome for TypeScript, JavaScript and JSON, clang-format for
// C++. Then checks the types of the library and its tests.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { repository, run } from './run.mjs';

const fix = process.argv.includes('--fix');

const cppSources = ['native', 'test/native', 'test/manycore'].flatMap((folder) =>
  readdirSync(join(repository, folder), { recursive: true })
    .filter((file) => /\.(h|cc)$/.test(file))
    .map((file) => join(folder, file)),
);

const checks = [
  ['biome', ['check', '--error-on-warnings', ...(fix ? ['--write'] : []), '.']],
  ['clang-format', [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...cppSources]],
  ['tsc', ['--noEmit', '-p', 'tsconfig.json']],
  ['tsc', ['--noEmit', '-p', 'test/tsconfig.json']],
];

let failed = false;
for (const [command, args] of checks) {
  await run(command, args).catch((error) => {
    process.stderr.write(`${error.message}\n`);
    failed = true;
  });
}
process.exit(failed ? 1 : 0);
