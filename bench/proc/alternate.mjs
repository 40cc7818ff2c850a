import { median } from '../sampling.mjs';

const WARM_UP_ROUNDS = 3;

/**
 * Times two operations in turn, so that a noisy machine disturbs both alike.
 *
 * @param {() => unknown} ours may return a promise, and so may `theirs`.
 * @param {() => unknown} theirs
 * @param {{ rounds: number, per?: number, before?: () => unknown }} options `per`: what one call counts as, processes for
 *   instance; `before`: done, and waited for, before each call, untimed.
 * @returns {Promise<{ ours: number, theirs: number, ratio: number }>} nanoseconds each; medians, that of `ratio` over the
 *   rounds.
 */
export async function alternate(ours, theirs, { rounds, per = 1, before = () => {} }) {
  const time = async (operation) => {
    await before();
    const start = process.hrtime.bigint();
    await operation();
    return Number(process.hrtime.bigint() - start) / per;
  };
  const samples = [];
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    const sample = {};
    for (const name of round % 2 === 0 ? ['ours', 'theirs'] : ['theirs', 'ours']) {
      sample[name] = await time(name === 'ours' ? ours : theirs);
    }
    if (round >= 0) samples.push(sample);
  }
  return {
    ours: median(samples.map((sample) => sample.ours)),
    theirs: median(samples.map((sample) => sample.theirs)),
    ratio: median(samples.map((sample) => sample.ours / sample.theirs)),
  };
}
