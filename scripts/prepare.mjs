// Runs after `npm install` in the repository, and where the package is installed from git: compiles the TypeScript, without
// which there is nothing to import. A package that npm makes from git gets the addon as well, for this machine alone.
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { repository, run } from './run.mjs';

const say = (line) => process.stderr.write(`percpu: ${line}\n`);
const fromGit = process.env._PACOTE_NO_PREPARE_ !== undefined && process.env._PACOTE_NO_PREPARE_ !== '';

const missing = ['typescript', 'assemblyscript'].filter(
  (name) => !existsSync(join(repository, 'node_modules', name, 'package.json')),
);
if (missing.length > 0) {
  say(`dist/ is not built: ${missing.join(' and ')} missing (npm install --include=dev, then npm run build)`);
  process.exit(fromGit ? 1 : 0);
}
await run(process.execPath, ['scripts/build.mjs', '--quiet', ...(fromGit ? [] : ['--no-addon'])]);
const built = join(repository, 'build', 'Release', 'percpu.node');
if (fromGit && existsSync(built)) {
  const { runtimeLibc } = await import('../dist/native/loader.js');
  const folder = join(repository, 'prebuilds', `${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(built, join(folder, `percpu.${runtimeLibc()}.node`));
}
