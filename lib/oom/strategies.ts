import type { Candidates } from './candidates.js';
import { FallingMaximum } from './falling-maximum.js';

/**
 * Finds a victim among candidates with at most `limit` precise sums.
 *
 * The two-pass strategies start alike. Each bar is the range of one task's badness, in scan order:
 *
 *     badness ------------------------------->
 *     A      [=====]           :
 *     B                [=======:===]         survivor
 *     C           [=======]    :
 *     D                        [====]        survivor, and the highest minimum
 *     E                   [====:=======]     survivor
 *                              ^
 *                    the highest minimum: a task that ends below it cannot win
 *
 * `kernel` then visits B, D and E in this order, and sums each that can still reach the highest figure known. `exact` sums E
 * first, and stops if the sum is above the maxima of D and B.
 *
 * @returns the index of the victim; -1 without candidates.
 */
export type Strategy = (candidates: Candidates, limit: number) => number;

/** Sums every task: the reference for the others. `limit` does not apply. */
function precise(candidates: Candidates): number {
  for (let i = 0; i < candidates.length; i++) candidates.sum(i);
  return lastHighest(candidates.lower);
}

/** Sums no task, like kernels that have only approximate sums. */
function approximate(candidates: Candidates): number {
  return lastHighest(candidates.approximate);
}

/**
 * The second pass of the kernel series, versions 10 to 16. The bar begins at the highest minimum and rises with each sum
 * above it. A candidate whose maximum is below the bar is not summed; one beyond `limit` counts with its lowest possible
 * badness. The choice of the first pass stands if no candidate reaches the bar, which requires sums outside their bounds.
 */
function kernel(candidates: Candidates, limit: number): number {
  const { lower, upper } = candidates;
  let best = lastHighest(lower);
  let bar = candidates.highestMinimum;
  for (let i = 0; i < upper.length; i++) {
    if (upper[i]! < bar) continue;
    candidates.sumIfOpen(i, limit);
    if (lower[i]! < bar) continue;
    best = i;
    bar = lower[i]!;
  }
  return best;
}

/**
 * Visits the survivors by falling highest possible badness and stops at the first that cannot win: no strategy that is
 * always right sums fewer. A task beyond `limit` counts with its lowest possible badness.
 */
function exact(candidates: Candidates, limit: number): number {
  const { lower, upper } = candidates;
  const order = new FallingMaximum(survivors(candidates), upper);
  let best = -1;
  for (let i = order.take(); i !== undefined; i = order.take()) {
    // Of equal ones the later wins, so a later task whose maximum equals the best can still win.
    if (best !== -1 && !(upper[i]! > lower[best]! || (upper[i]! === lower[best]! && i > best))) break;
    candidates.sumIfOpen(i, limit);
    if (best === -1 || lower[i]! > lower[best]! || (lower[i]! === lower[best]! && i > best)) best = i;
  }
  return best;
}

/** @returns the candidates whose highest possible badness reaches the highest minimum, in scan order. */
function survivors({ upper, highestMinimum }: Candidates): number[] {
  const indices: number[] = [];
  for (let i = 0; i < upper.length; i++) if (upper[i]! >= highestMinimum) indices.push(i);
  return indices;
}

function lastHighest(values: readonly number[]): number {
  let best = -1;
  for (let i = 0; i < values.length; i++) if (best === -1 || values[i]! >= values[best]!) best = i;
  return best;
}

export const strategies = { exact, kernel, precise, approximate } satisfies Record<string, Strategy>;
