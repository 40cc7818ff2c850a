import { treeShape } from '../../counter/tree-shape.js';
import { type Accounting, type CpuCounts, flatBatch, THREAD_BATCH, TREE_BATCH } from './model.js';

/**
 * What the addon's probe observes, in the order in which it lists the figures. `PERCPU_DRIFT_FIELDS` of
 * native/proc/accounting_probe.h is the same list in C++.
 */
export const DRIFT_FIELDS = [
  /** Pages touched until stat made its second jump of more than a page. */
  'touched',
  /** The pages of that jump; 0: there was none. */
  'jump',
  /** How many of the first 32 pages stat showed at once. */
  'exactSteps',
  /** By how many pages stat changed when two pages were released right after the jump: 0 or below. */
  'fall',
  /** Pages touched then, fewer than a batch. */
  'drift',
  /** By how many pages each file had then grown, read from the other CPU. */
  'statGrowth',
  'statmGrowth',
  /** NaN: smaps_rollup could not be read. */
  'rollupGrowth',
  /** The CPUs on which the child touched and read. */
  'touchCpu',
  'readCpu',
] as const;

/** What a short-lived child saw of its own RSS while it touched page after page. */
export type DriftObservations = Record<(typeof DRIFT_FIELDS)[number], number>;

/** Observations of this many pages showing at once, of 32, leave nothing for a batch. */
const NEARLY_ALL = 30;

const ONE_CPU_NOTE =
  'this process may run on one CPU only, so whether a figure also misses what other CPUs hold back could not be seen';

/**
 * Tells the models apart by the shape of the error alone:
 *
 *  - every page shows at once: nothing is held back;
 *  - a flat counter jumps by a whole batch, is then at zero, and two released pages change nothing that is seen;
 *  - a thread passes on what it has at the start of a fault, whose own page it then has again. Releasing passes that on, too,
 *    and works on the shared count directly: of two pages one is seen to go;
 *  - a hierarchical counter carries floors: one page less after a carry, and the whole carry is taken back. With many
 *    CPUs its root moves in larger steps than a flat counter's batch, so that no jump comes at all.
 */
export function interpretDrift(seen: DriftObservations, cpus: CpuCounts): Accounting {
  const near = (growth: number) => Math.abs(growth - seen.drift) <= seen.drift / 4;
  const oneCpu = seen.touchCpu === seen.readCpu ? ONE_CPU_NOTE : '';
  const statmPrecise = near(seen.statmGrowth);
  const found = (model: Accounting['model'], batch: number, note = oneCpu): Accounting => {
    return { model, statmPrecise, batch, note };
  };
  if (!Number.isNaN(seen.rollupGrowth) && !near(seen.rollupGrowth)) {
    const note = 'even smaps_rollup did not show what the probe had touched: something else was changing its memory';
    return { model: 'unknown', statmPrecise: false, batch: flatBatch(cpus.online), note };
  }
  if (seen.exactSteps >= NEARLY_ALL && near(seen.statGrowth)) {
    return found(
      'unknown',
      1,
      `every page shows at once in every file, so nothing is held back${oneCpu && `; ${oneCpu}`}`,
    );
  }
  if (seen.jump > 4 && (seen.fall === -1 || seen.fall === -2)) return found('per-thread', THREAD_BATCH);
  if (seen.jump > 1 && seen.fall === 0) return found('flat-percpu', seen.jump);
  if (seen.jump > 1 && seen.fall <= -seen.jump / 2) return found('hierarchical', leafBatch(seen.jump, cpus.possible));
  if (seen.jump === 0 && seen.touched > 2 * flatBatch(cpus.online)) return found('hierarchical', TREE_BATCH);
  return found('unknown', flatBatch(cpus.online), `stat moved in a way no known kernel does: ${JSON.stringify(seen)}`);
}

/** The root moves by the step below it: the leaf's, times the arity of every level but the root's. */
function leafBatch(rootStep: number, possibleCpus: number): number {
  const below = treeShape(possibleCpus).arityOrders.slice(0, -1);
  return Math.max(2, rootStep / 2 ** below.reduce((sum, arityOrder) => sum + arityOrder, 0));
}

/** One process's resident set by three files, in pages, at a moment when nothing changed it. */
export interface ThreeFigures {
  stat: number;
  statm: number;
  rollup: number;
}

/**
 * What can be told from processes that were not made to drift: which files agree with the page tables.
 *
 * @returns undefined where all figures agree everywhere, or contradict each other.
 */
export function interpretFigures(figures: ThreeFigures[], onlineCpus: number): Accounting | undefined {
  const batch = flatBatch(onlineCpus);
  const note = `the batch is what the kernel's formula gives for ${onlineCpus} CPUs, not measured`;
  if (figures.every(({ stat, statm, rollup }) => stat === rollup && statm === rollup)) return undefined;
  if (figures.every(({ statm, rollup }) => statm === rollup)) {
    return { model: 'flat-percpu', statmPrecise: true, batch, note };
  }
  if (figures.some(({ stat, statm }) => stat !== statm)) return undefined;
  const beyondThreads = figures.some(({ stat, rollup }) => Math.abs(stat - rollup) > THREAD_BATCH);
  return { model: beyondThreads ? 'flat-percpu' : 'unknown', statmPrecise: false, batch, note };
}
