import { expect } from 'vitest';
import { runChild } from '../support/built.js';
import { itUnless, notLinux } from '../support/skip.js';

const reason = process.env.PERCPU_SANITIZED ? 'the address sanitizer keeps what was freed' : notLinux;

/**
 * After forced collections, with a young generation that cannot grow. A page of WebAssembly memory that stayed per arena
 * would be 64 MB, one object per counter 4 MB. `npm run test:soak` makes ten times as many.
 */
const TOLERANCE_BYTES = 6 * 2 ** 20;

itUnless(reason)('1,000 arenas and 100,000 counters leave nothing behind', { timeout: 120_000 }, async () => {
  const program = {
    file: './memory-child.mjs',
    nodeArgs: ['--expose-gc', '--max-semi-space-size=1'],
    args: ['1000', '100000'],
  };
  const { code, stdout, stderr } = await runChild(program);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const growth = JSON.parse(stdout) as { arenas: number; counters: number };
  expect(growth.arenas).toBeLessThan(TOLERANCE_BYTES);
  expect(growth.counters).toBeLessThan(TOLERANCE_BYTES);
});
