// How samples are taken and compared.

/** Samples per process; their median is the process's result. */
const SAMPLES = 15;

/** @returns the middle value; of an even number of values the lower of the two. */
export function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}

/** @returns {number} the median over the rounds of one variant's time divided by the other's in the same round. */
export function medianRatio(numerators, denominators) {
  return median(numerators.map((value, round) => value / denominators[round]));
}

/**
 * Times a loop again and again, the first time to warm up and unrecorded.
 *
 * @param {number} operations what one call of `loop` does.
 * @param {(operations: number) => void} loop
 * @returns {number} nanoseconds per operation, the median of all samples.
 */
export function nsPerOperation(operations, loop) {
  const samples = [];
  for (let sample = -1; sample < SAMPLES; sample++) {
    const start = process.hrtime.bigint();
    loop(operations);
    const elapsed = Number(process.hrtime.bigint() - start);
    if (sample >= 0) samples.push(elapsed / operations);
  }
  return median(samples);
}
