import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { ownIdentity } from '../../lib/counter/thread-identity.js';
import { runChild } from '../support/built.js';
import { describeUnless } from '../support/skip.js';

async function scenario(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await runChild({ file: './ended-owners-child.mjs', args });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

const reason = ownIdentity() > 0n ? '' : 'no /proc/thread-self/stat, and so no telling which threads have ended';

describeUnless(reason)('what a worker owned when it ended', () => {
  it('is given back where it was terminated in the middle of createMany', { timeout: 120_000 }, async () => {
    expect(await scenario('terminated')).toEqual({
      size: 10,
      filled: 65_536 - 6,
      sums: [0],
      own: Array(10).fill(7),
    });
  });

  it('is found by a thread that needs the room', { timeout: 60_000 }, async () => {
    // One counter of each of the six workers was shared, and lives on.
    expect(await scenario('full')).toEqual({ made: 6 * 1_900, size: 6 });
  });

  it.each(['terminate', 'exit', 'throw', 'return'])('%s: is given back, but for what it shared', async (ending) => {
    expect(await scenario('ending', ending)).toEqual({ before: [1, 5], after: 0 });
  });
});

it('two workers that claim in the same moment both find room', { timeout: 60_000 }, async () => {
  expect(await scenario('race')).toEqual({ failed: ['', ''], size: 0 });
});

const canUnmount = spawnSync('unshare', ['-m', '--propagation', 'private', 'umount', '-l', '/proc']).status === 0;
const whyNot = canUnmount ? '' : ' (skipped: no right to a mount namespace)';

it.skipIf(!canUnmount)(`a living worker keeps what it has where /proc disappears${whyNot}`, async () => {
  const child = fileURLToPath(new URL('../support/ended-owners-child.mjs', import.meta.url));
  const args = ['-m', '--propagation', 'private', process.execPath, child, 'withoutProc'];
  const { stdout } = await promisify(execFile)('unshare', args);
  expect(JSON.parse(stdout)).toEqual({ before: 100, after: 100 });
});
