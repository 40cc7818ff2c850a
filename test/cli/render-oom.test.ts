import { createColors } from 'picocolors';
import { expect, it } from 'vitest';
import { renderOom } from '../../lib/cli/render-oom.js';
import type { VictimPrediction } from '../../lib/limits/predict-victim.js';

const prediction: VictimPrediction = {
  victim: null,
  ranking: [],
  totalPages: 1_000,
  preciseSums: 0,
  scope: {
    path: null,
    limit: 4_096_000,
    high: null,
    swapLimit: 0,
    usage: 0,
    workingSet: 0,
    headroom: 4_096_000,
    events: null,
    oomGroup: false,
    pressure: null,
  },
  certain: false,
  unseen: 0,
  unseenIsExact: true,
  unseenReason: '',
  policy: 'badness',
  killsGroup: null,
  approximateVictim: null,
};

const rendered = (changes: Partial<VictimPrediction>) =>
  renderOom(
    { ...prediction, ...changes },
    { width: 200, colors: createColors(false) },
    { limit: 15, pageBytes: 4096, scopeName: null, asked: undefined },
  ).join('\n');

const unseenReason = 'their files cannot be read';

it.each([
  [1, true, '1 process: their files'],
  [1, false, '1 process or more: their files'],
  [2_345, true, '2,345 processes: their files'],
  [2_345, false, '2,345 processes or more: their files'],
])('names %d unseen processes, exact %s', (unseen, unseenIsExact, text) => {
  expect(rendered({ unseen, unseenIsExact, unseenReason })).toMatch(
    new RegExp(`^ *Unseen +${text} cannot be read$`, 'm'),
  );
});

it('says nothing of unseen processes where there are none', () => {
  expect(rendered({})).not.toContain('Unseen');
});
