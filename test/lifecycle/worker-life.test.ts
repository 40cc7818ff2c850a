import { describe, expect, it } from 'vitest';
import { native } from '../../lib/native/native.js';
import { runChild } from '../support/built.js';

const STEPS = ['nothing', 'create', 'share', 'attach', 'native threads started', 'destroy'];
const ENDINGS = ['terminate', 'exit', 'throw', 'return'];
const without = native.addon ? '' : ` (no native threads: ${native.reason})`;

describe.each(STEPS.map((last, steps) => ({ last, steps })))(
  `workers that end after: $last, with garbage collected in between${without}`,
  ({ steps }) => {
    it.each(ENDINGS)('by %s', { timeout: 60_000 }, async (ending) => {
      const outcome = await runChild({
        file: './worker-life-child.mjs',
        nodeArgs: ['--expose-gc'],
        args: [`${steps}`, ending],
      });
      expect(outcome).toEqual({ code: 0, signal: null, stdout: 'survived', stderr: '' });
    });
  },
);
