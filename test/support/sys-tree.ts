import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';

/** Content by path below the root, for instance `sys/devices/system/cpu/online`. */
export type SysFiles = Record<string, string>;

const created: string[] = [];

afterAll(() => {
  for (const directory of created.splice(0)) rmSync(directory, { recursive: true });
});

/** Writes the files into a temporary directory, removed after the test file. @returns its path. */
export function writeTree(files: SysFiles): string {
  const root = mkdtempSync(join(tmpdir(), 'percpu-sys-'));
  created.push(root);
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  return root;
}

/** `a/cpu[0-1,4]/b` -> `a/cpu0/b`, `a/cpu1/b`, `a/cpu4/b`. */
function expandPath(path: string): string[] {
  const [, before, list, after] = /^(.*)\[(.*)\](.*)$/.exec(path) ?? [];
  if (list === undefined) return [path];
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, i) => `${before}${first + i}${after}`);
  });
}

/** The files in what scripts/capture-topology.mjs wrote; the format is described there. */
export function parseCapture(text: string): SysFiles {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.flatMap((line) => {
      const tab = line.indexOf('\t');
      const content: string = JSON.parse(line.slice(tab + 1));
      return expandPath(line.slice(0, tab)).map((path) => [path, content]);
    }),
  );
}

/** The files of a captured machine, `test/fixtures/sys/NAME.txt`. */
export function readFixture(name: string): SysFiles {
  return parseCapture(readFileSync(new URL(`../fixtures/sys/${name}.txt`, import.meta.url), 'utf8'));
}

/** A captured machine as a directory tree: pass it to `topology({ root })`. */
export function fixtureTree(name: string): string {
  return writeTree(readFixture(name));
}
