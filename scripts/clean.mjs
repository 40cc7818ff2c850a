// Removes everything that builds made.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './run.mjs';

const made = readdirSync(repository).filter((name) => name === 'dist' || name === 'build' || name.startsWith('build-'));
for (const name of [...made, 'lib/counter/wasm/hot-path-binary.ts']) {
  rmSync(join(repository, name), { recursive: true, force: true });
}
