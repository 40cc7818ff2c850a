// Known inputs, one folder per target in test/fixtures/fuzz: texts as they are, everything else as JSON.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../fixtures/fuzz', import.meta.url));

/** @returns the inputs kept for a target, in the order of their names. */
export function readCorpus({ name, corpus }) {
  const own = join(folder, name);
  if (!existsSync(own)) return [];
  return readdirSync(own)
    .sort()
    .map((file) => {
      const content = readFileSync(join(own, file), 'latin1');
      return corpus === 'json' ? JSON.parse(content) : content;
    });
}
