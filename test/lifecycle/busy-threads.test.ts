import { describe, expect, it } from 'vitest';
import { native } from '../../lib/native/native.js';
import { runChild } from '../support/built.js';
import { itUnless, noAddon } from '../support/skip.js';

const BUSY_WITH = [
  'adding',
  'creating and destroying',
  'currentCpu',
  'getAffinity',
  ...(native.addon ? ['setAffinity', 'a refused setAffinity', 'runOnCpus'] : []),
  'loading',
];
const without = native.addon ? '' : ` (nothing that needs the addon: ${native.reason})`;

describe(`threads that are ended while they are busy${without}`, () => {
  it.each(BUSY_WITH)('with %s: terminating workers leaves the process alone', { timeout: 60_000 }, async (what) => {
    const outcome = await runChild({ file: './terminate-child.mjs', args: [what, 'terminate'] });
    expect(outcome).toEqual({ code: 0, signal: null, stdout: 'survived', stderr: '' });
  });

  itUnless(noAddon)(
    'with runOnCpus: nothing that was freed is looked at again (freed memory is overwritten)',
    { timeout: 60_000 },
    async () => {
      const outcome = await runChild(
        { file: './terminate-child.mjs', args: ['runOnCpus', 'terminate'] },
        { GLIBC_TUNABLES: 'glibc.malloc.tcache_count=0:glibc.malloc.perturb=165' },
      );
      expect(outcome).toEqual({ code: 0, signal: null, stdout: 'survived', stderr: '' });
    },
  );

  it.each(BUSY_WITH)('with %s: the process exits as it is told', { timeout: 60_000 }, async (what) => {
    for (let repetition = 0; repetition < 4; repetition++) {
      const outcome = await runChild({ file: './terminate-child.mjs', args: [what, 'exit'] });
      expect(outcome).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
    }
  });
});
