// Random numbers that a seed repeats, for benchmarks and tests.

/** A stream of random numbers; equal seeds give equal streams (mulberry32). */
export class Random {
  #state;

  /** @param {number} seed any integer. */
  constructor(seed) {
    this.#state = seed | 0;
  }

  /** @returns {number} from 0 to below 1. */
  unit() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** @returns {number} an integer from 0 to below `end`. */
  below(end) {
    return Math.floor(this.unit() * end);
  }

  /** @returns {number} an integer from `min` to `max`, both ends included, every order of magnitude as likely as another. */
  logUniform(min, max) {
    return Math.min(max, Math.floor(min * ((max + 1) / min) ** this.unit()));
  }

  /** @returns {number} log-normal: its logarithm is normal with that median and standard deviation. */
  logNormal(median, sigma) {
    const normal = Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit());
    return median * Math.exp(sigma * normal);
  }

  /**
   * @template T
   * @param {readonly T[]} array
   * @returns {T[]} the same elements in random order.
   */
  shuffled(array) {
    const result = [...array];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  }
}

/**
 * @param {number} seed any integer.
 * @returns {(end: number) => number} gives integers from 0 to below its argument; the same ones for the same seed.
 */
export function randomIntegers(seed) {
  const random = new Random(seed);
  return (end) => random.below(end);
}
