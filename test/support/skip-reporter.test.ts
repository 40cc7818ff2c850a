import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));

function run(...args: string[]): string[] {
  const { stdout } = spawnSync(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/support/skipped/vitest.config.ts', ...args],
    { cwd: repository, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined } },
  );
  return stdout.split('\n').filter((line) => line.startsWith('skipped:'));
}

it('every skipped test is printed with its reason', () => {
  expect(run().sort()).toEqual([
    'skipped: test/support/skipped/cases.ts > a suite (2 tests), because the moon (new) is out',
    'skipped: test/support/skipped/cases.ts > is silent, because its title does not say why',
    'skipped: test/support/skipped/cases.ts > outer > needs a cat, because there is no cat',
    'skipped: test/support/skipped/cases.ts > skips itself, because it is tired',
  ]);
});

it('tests that -t leaves out are not printed', () => {
  expect(run('-t', 'runs')).not.toContainEqual(expect.stringContaining('is silent'));
});
