export { randomIntegers } from '../../bench/random.mjs';

/** What `fc.assert` takes: how often, and the seed of a run to repeat (environment variable SEED). */
export const seeded = (numRuns: number) => ({
  numRuns,
  ...(process.env.SEED ? { seed: Number(process.env.SEED) } : {}),
});

/** The seed for tests that draw their own numbers; they name it where they fail. */
export const testSeed = process.env.SEED ? Number(process.env.SEED) : Date.now() % 2 ** 31;
