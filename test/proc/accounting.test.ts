import { describe, expect, it } from 'vitest';
import { parseShellProbe } from '../../lib/proc/accounting/accounting.js';
import { errorRange, flatBatch } from '../../lib/proc/accounting/model.js';
import { type DriftObservations, interpretDrift, interpretFigures } from '../../lib/proc/accounting/observations.js';
import { childResult, percpu } from '../support/built.js';
import { statmText, statText } from '../support/proc-tree.js';
import { describeUnless, notLinux } from '../support/skip.js';

const cpus = { online: 256, possible: 256 };

function seen(observations: Partial<DriftObservations>): DriftObservations {
  return {
    touched: 700,
    jump: 0,
    exactSteps: 0,
    fall: 0,
    drift: 15,
    statGrowth: 0,
    statmGrowth: 15,
    rollupGrowth: 15,
    touchCpu: 1,
    readCpu: 0,
    ...observations,
  };
}

describe('interpretDrift', () => {
  it('knows a flat counter: whole batches, and a released page changes nothing', () => {
    const flat = { model: 'flat-percpu', statmPrecise: true, batch: 512, note: '' };
    expect(interpretDrift(seen({ jump: 512 }), cpus)).toEqual(flat);
    expect(interpretDrift(seen({ jump: 512, statmGrowth: 0 }), cpus)).toEqual({ ...flat, statmPrecise: false });
  });

  it('knows counters per thread: of two released pages one shows at once', () => {
    // As seen on Linux 6.1 with 256 CPUs.
    const observed = seen({ jump: 66, fall: -1, statmGrowth: 0, statGrowth: 0 });
    const expected = { model: 'per-thread', statmPrecise: false, batch: 64, note: '' };
    expect(interpretDrift(observed, cpus)).toEqual(expected);
    expect(interpretDrift({ ...observed, fall: -2 }, cpus)).toEqual(expected);
  });

  it('knows a hierarchical counter: a carry is taken back, or none comes', () => {
    const tree = { model: 'hierarchical', statmPrecise: true, batch: 32, note: '' };
    expect(interpretDrift(seen({ jump: 2048, fall: -2048 }), cpus)).toEqual(tree);
    expect(interpretDrift(seen({ jump: 32, fall: -32 }), { online: 2, possible: 2 })).toEqual(tree);
    expect(interpretDrift(seen({ touched: 1600 }), cpus)).toEqual(tree);
  });

  it('knows where nothing is held back', () => {
    const observed = seen({ exactSteps: 32, statGrowth: 15, touched: 1600 });
    expect(interpretDrift(observed, cpus)).toMatchObject({ model: 'unknown', batch: 1, statmPrecise: true });
    expect(errorRange(interpretDrift(observed, cpus), cpus, 8)).toEqual({ under: 0, over: 0 });
  });

  it('says what one CPU cannot tell', () => {
    expect(interpretDrift(seen({ jump: 512, readCpu: 1 }), cpus).note).toMatch(/one CPU only/);
  });

  it('believes nothing when smaps_rollup does not show the drift, or the figures make no sense', () => {
    expect(interpretDrift(seen({ jump: 512, rollupGrowth: 0 }), cpus)).toMatchObject({
      model: 'unknown',
      statmPrecise: false,
      batch: 512,
    });
    expect(interpretDrift(seen({ jump: 5, fall: 3 }), cpus).model).toBe('unknown');
    expect(interpretDrift(seen({ jump: 512, rollupGrowth: Number.NaN }), cpus).model).toBe('flat-percpu');
  });
});

describe('interpretFigures', () => {
  it('trusts the file that agrees with the page tables', () => {
    const figures = [
      { stat: 390, statm: 410, rollup: 410 },
      { stat: 410, statm: 410, rollup: 410 },
    ];
    expect(interpretFigures(figures, 2)).toMatchObject({ model: 'flat-percpu', statmPrecise: true, batch: 32 });
  });

  it('trusts neither where both are off alike', () => {
    expect(interpretFigures([{ stat: 0, statm: 0, rollup: 410 }], 256)).toMatchObject({
      model: 'flat-percpu',
      statmPrecise: false,
      batch: 512,
    });
    expect(interpretFigures([{ stat: 400, statm: 400, rollup: 410 }], 2)).toMatchObject({
      model: 'unknown',
      statmPrecise: false,
    });
  });

  it('says nothing where all agree, or contradict each other', () => {
    expect(interpretFigures([{ stat: 410, statm: 410, rollup: 410 }], 2)).toBeUndefined();
    expect(interpretFigures([{ stat: 1, statm: 2, rollup: 3 }], 2)).toBeUndefined();
  });
});

describe('errorRange', () => {
  it('is three batches on every CPU for flat counters', () => {
    const flat = { model: 'flat-percpu', statmPrecise: true, batch: flatBatch(256), note: '' } as const;
    expect(errorRange(flat, cpus, 99)).toEqual({ under: 3 * 131_072, over: 3 * 131_072 });
  });

  it('is what 66 faults of every thread brought before 6.2, and the larger of both where nothing is known', () => {
    const perThread = { model: 'per-thread', statmPrecise: false, batch: 64, note: '' } as const;
    expect(errorRange(perThread, cpus, 10)).toEqual({ under: 10_560, over: 660 });
    const unknown = { model: 'unknown', statmPrecise: false, batch: 32, note: '' } as const;
    expect(errorRange(unknown, { online: 2, possible: 2 }, 1)).toEqual({ under: 1_056, over: 192 });
    expect(errorRange(unknown, { online: 2, possible: 2 }, 10)).toEqual({ under: 10_560, over: 660 });
  });

  it('is what the series documents for hierarchical counters', () => {
    const tree = { model: 'hierarchical', statmPrecise: true, batch: 32, note: '' } as const;
    expect(errorRange(tree, cpus, 1)).toEqual({ under: 3 * 24_576, over: 3 * 23_808 });
  });
});

describe('the figures a shell prints', () => {
  const round = (stat: number, statm: number, rollupKiB: number, after = stat) =>
    `${statText(9, { approximate: stat })}${statmText({ resident: statm })}Rss: ${rollupKiB} kB\n` +
    `${statText(9, { approximate: after })}${statmText({ resident: statm })}`;

  it('count in pages of this size, and only where nothing changed meanwhile', () => {
    const output = round(390, 410, 1640) + round(390, 410, 1640, 391) + round(400, 411, 1644);
    expect(parseShellProbe(output, 4096)).toEqual([
      { stat: 390, statm: 410, rollup: 410 },
      { stat: 400, statm: 411, rollup: 411 },
    ]);
    expect(parseShellProbe(round(10, 20, 1280), 65536)).toEqual([{ stat: 10, statm: 20, rollup: 20 }]);
  });

  it('may be cut off anywhere', () => {
    const output = round(390, 410, 1640);
    for (let length = 0; length < output.length - 1; length++) {
      expect(parseShellProbe(output.slice(0, length), 4096).length).toBeLessThanOrEqual(1);
    }
    expect(parseShellProbe('', 4096)).toEqual([]);
  });
});

describeUnless(notLinux)('rssAccounting', () => {
  it('is the same with and without the addon, but for what a shell cannot measure', async () => {
    const here = percpu.rssAccounting();
    const fallback = await childResult<typeof here>('console.log(JSON.stringify(percpu.rssAccounting()))', {
      PERCPU_NATIVE: '0',
    });
    expect(['per-thread', 'flat-percpu', 'hierarchical', 'unknown']).toContain(here.model);
    expect(here.batch).toBeGreaterThanOrEqual(1);
    expect(here.worstCaseBytes).toBeGreaterThanOrEqual(0);
    expect(fallback.note).not.toBe('');
    // Shells that happen to hold nothing back leave it open, and without the addon both have asked shells.
    const isKnown = [here, fallback].every(({ model }) => model !== 'unknown');
    if (isKnown) expect(fallback.statmPrecise).toBe(here.statmPrecise);
  });

  it('is made once', () => {
    expect(percpu.rssAccounting()).toEqual(percpu.rssAccounting());
  });
});
