import { requireInteger } from '../validate.js';

/** The tree above the per-CPU leaves of a counter; the same for all counters of an arena. */
export interface TreeShape {
  /** CPUs, one leaf each: 1 … 2^20. */
  cpus: number;
  /** ceil(log2(cpus)): 0 … 20. */
  order: number;
  /** Levels of items above the leaves, including the root's; 0 for a single CPU, whose leaf is the root. */
  levels: number;
  /** log2 of the number of children of an item, from the lowest level to the root; their sum is `order`. */
  arityOrders: number[];
  /** Items of all levels, including the root. */
  items: number;
}

export const MAX_CPUS = 2 ** 20;

/** Largest batch size: the widest documented range is still a safe integer. */
export const MAX_BATCH_SIZE = 2 ** 30;

/** @returns 5 at most: the hot paths are written out for so many levels. */
function levelsFor(order: number): number {
  if (order <= 3) return order;
  if (order <= 9) return 3;
  return order <= 12 ? 4 : 5;
}

/**
 * The tree for a number of CPUs. Few levels keep the error bound small; few children per item keep the items uncontended.
 * `order` is split over the levels as evenly as possible, the larger parts at the leaves.
 *
 * Source: the hierarchical per-CPU counter proposed for Linux (M. Desnoyers, "lib: Introduce hierarchical per-cpu
 * counters", v12, January 2026).
 *
 * @param cpus CPUs, 1 … 2^20; not only powers of two.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
 */
export function treeShape(cpus: number): TreeShape {
  requireInteger(cpus, 'cpus', { min: 1, max: MAX_CPUS });
  const order = 32 - Math.clz32(cpus - 1);
  const levels = levelsFor(order);
  const arityOrders = Array.from({ length: levels }, (_, level) => Math.ceil((order - level) / levels));
  let items = 0;
  let below = 0;
  for (const arityOrder of arityOrders) {
    below += arityOrder;
    items += 2 ** (order - below);
  }
  return { cpus, order, levels, arityOrders, items };
}

/** How far an approximate sum can be from the precise one. */
export interface Accuracy {
  /** `approximate >= precise - under`. */
  under: number;
  /** `approximate <= precise + over`. */
  over: number;
}

/**
 * The range that the kernel's series documents. Every level may hold back up to one batch per leaf below it, so
 * `under = batch * levels * 2^order` and `over = (batch - 1) * levels * 2^order`.
 */
export function kernelAccuracy({ levels, order }: TreeShape, batchSize: number): Accuracy {
  const multiplier = levels * 2 ** order;
  return { under: batchSize * multiplier, over: (batchSize - 1) * multiplier };
}

/**
 * The most a tree can hold back: `approximate <= precise <= approximate + slack` while no add is in flight.
 *
 * A residue is the remainder of a floor, so it is never negative. A leaf keeps at most `batch - 1`. An item on level k
 * receives multiples of level k-1's step and passes on multiples of its own step, so it keeps at most
 * `step(k) - step(k-1)`, where `step(0) = batch` and `step(k) = step(k-1) * 2^arityOrder(k)`. The root keeps nothing.
 */
export function tightSlack({ cpus, order, levels, arityOrders }: TreeShape, batchSize: number): number {
  if (levels === 0) return 0;
  let slack = cpus * (batchSize - 1);
  let items = 2 ** order;
  let step = batchSize;
  for (const arityOrder of arityOrders.slice(0, -1)) {
    items /= 2 ** arityOrder;
    slack += items * (step * 2 ** arityOrder - step);
    step *= 2 ** arityOrder;
  }
  return slack;
}
