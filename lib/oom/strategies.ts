import type { Candidates } from './candidates.js';
import { FallingMaximum } from './falling-maximum.js';

/**
 * How a victim is found among candidates; `limit` is the most precise sums it may make.
 *
 * The two-pass strategies start alike. Each bar is what is known of one task's badness, in scan order:
 *
 *     badness ------------------------------->
 *     A      [=====]           :
 *     B                [=======:===]         survivor
 *     C           [=======]    :
 *     D                        [====]        survivor, and the highest minimum
 *     E                   [====:=======]     survivor
 *                              ^
 *                    the highest minimum: whoever ends below it cannot win
 *
 * `kernel` then goes through B, D and E in this order and sums each that can still reach the highest figure known;
 * `exact` sums E first, and stops there if the sum is above the maxima of D and B.
 *
 * @returns the index of the victim; -1 when there are no candidates.
 */
export type Strategy = (candidates: Candidates, limit: number) => number;

/** Sums everyone: the truth that the others are measured against. `limit` does not apply. */
function precise(candidates: Candidates): number {
  for (let i = 0; i < candidates.length; i++) candidates.sum(i);
  return lastHighest(candidates.lower);
}

/** Sums nobody: what kernels do that only know approximate sums. */
function approximate(candidates: Candidates): number {
  return lastHighest(candidates.approximate);
}

/**
 * The second pass of the kernel series, versions 10 to 16. The bar begins at the highest minimum and rises with each sum
 * above it; a candidate whose maximum is below the bar is not summed. Those beyond `limit` count as their lowest possible
 * badness. The choice of the first pass stands where no candidate reaches the bar, which takes sums outside their bounds.
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
 * Takes the survivors by falling highest possible badness and stops at the first that cannot win any more: no strategy
 * that is never wrong sums fewer. Those beyond `limit` count as their lowest possible badness.
 */
function exact(candidates: Candidates, limit: number): number {
  const { lower, upper } = candidates;
  const order = new FallingMaximum(survivors(candidates), upper);
  let best = -1;
  for (let i = order.take(); i !== undefined; i = order.take()) {
    // Of equals the later scanned wins, so a task whose maximum only equals the best still has to be looked at if later.
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

/** @returns the index of the highest value, the last of equals; -1 when there are none. */
function lastHighest(values: readonly number[]): number {
  let best = -1;
  for (let i = 0; i < values.length; i++) if (best === -1 || values[i]! >= values[best]!) best = i;
  return best;
}

export const strategies = { exact, kernel, precise, approximate } satisfies Record<string, Strategy>;
