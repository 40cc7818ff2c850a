// Writes docs/api/, the API reference, from the docstrings of what lib/index.ts exports. A warning is an error.
// Usage: npm run docs:api [-- --check]; --check fails when docs/api/ is not what the docstrings say.
// Its tools are installed on first use, into this folder.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repository, run } from '../run.mjs';

const here = import.meta.dirname;
const committed = join(repository, 'docs/api');
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });

/** @returns {Map<string, string>} the text of each file by its path in the folder. */
function filesOf(folder) {
  if (!existsSync(folder)) return new Map();
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map(({ parentPath, name }) => {
      const file = join(parentPath, name);
      return [file.slice(folder.length + 1), readFileSync(file, 'utf8')];
    }),
  );
}

/** @returns {string[]} the files that only one folder has, or that differ. */
function differences(one, other) {
  return [...new Set([...one.keys(), ...other.keys()])].filter((file) => one.get(file) !== other.get(file)).sort();
}

const scratch = values.check ? mkdtempSync(join(tmpdir(), 'percpu-api-')) : undefined;
try {
  if (!existsSync(join(here, 'node_modules/typedoc'))) {
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, capture: true });
  }
  await run(process.execPath, ['node_modules/typedoc/bin/typedoc', '--out', scratch ?? committed], {
    cwd: here,
    capture: true,
  });
  const stale = scratch ? differences(filesOf(committed), filesOf(scratch)) : [];
  if (stale.length > 0) throw new Error(`docs/api/ is stale, run npm run docs:api and commit: ${stale.join(', ')}`);
  console.log(values.check ? 'docs/api/ is what the docstrings say' : 'wrote docs/api/');
} catch (error) {
  process.stderr.write(`${error.output ?? ''}${error.message}\n`);
  process.exitCode = 1;
} finally {
  if (scratch) rmSync(scratch, { recursive: true, force: true });
}
