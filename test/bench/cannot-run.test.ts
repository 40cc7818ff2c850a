import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { itUnless, notLinux } from '../support/skip.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const copy = mkdtempSync(join(tmpdir(), 'percpu-bench-'));
cpSync(join(root, 'bench'), join(copy, 'bench'), { recursive: true });
cpSync(join(root, 'package.json'), join(copy, 'package.json'));
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function bench(folder: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'bench/run.mjs'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  return { status, stdout, stderr };
}

describe('a benchmark that cannot run says so in one line', () => {
  it.each([
    ['counters', '--rounds', '1'],
    ['rss', '--quick'],
    ['oom', '--quick'],
    ['proc', '--only', 'own-rss', '--processes', '1', '--rounds', '1'],
  ])('%s without dist/', (...args) => {
    const { status, stdout, stderr } = bench(copy, args);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^cannot run: Cannot find (module|package) .*build the package first: npm run build\)\n$/);
  });

  it('with a name that is none', () => {
    expect(bench(root, ['nope']).stderr).toMatch(/^cannot run: a name is missing.*\n$/);
  });

  itUnless(notLinux)('with a file that cannot be written', () => {
    const { status, stderr } = bench(root, ['rss', '--quick', '--seed', '1', '--svg', '/dev/null/x.svg']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^cannot run: .*\n$/);
  });

  it('and bad usage is still that', () => {
    expect(bench(root, ['rss', '--nope']).status).toBe(2);
  });
});
