import { describe, expect, it } from 'vitest';
import { native } from '../../lib/native/native.js';
import { runChild } from '../support/built.js';

const STEPS = ['nothing', 'create', 'share', 'attach in a worker', 'native threads started', 'destroy'];

/** How the process ends, and what is to come of it. */
const ENDINGS = [
  { ending: 'return', code: 0, stderr: /^$/ },
  { ending: 'exit', code: 7, stderr: /^$/ },
  { ending: 'exit later', code: 7, stderr: /^$/ },
  { ending: 'throw', code: 1, stderr: /Error: on purpose/ },
  { ending: 'throw later', code: 1, stderr: /Error: on purpose/ },
  { ending: 'reject', code: 1, stderr: /Error: on purpose/ },
];

const without = native.addon ? '' : ` (no native threads: ${native.reason})`;

describe.each(STEPS.map((last, steps) => ({ last, steps })))(
  `a process that ends after: $last${without}`,
  ({ steps }) => {
    it.each(ENDINGS)('by $ending: code $code', { timeout: 60_000 }, async ({ ending, code, stderr }) => {
      const outcome = await runChild({ file: './lifecycle-child.mjs', args: [`${steps}`, ending] });
      expect(outcome).toMatchObject({ code, signal: null, stderr: expect.stringMatching(stderr) });
      expect(outcome.stdout).toContain(`${steps} steps`);
      const ran = native.addon !== undefined && ending === 'return' && steps >= 4;
      expect(outcome.stdout.includes('run over')).toBe(ran);
    });
  },
);
