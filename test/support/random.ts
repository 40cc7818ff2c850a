/** What `fc.assert` takes: how often, and the seed of a run to repeat (environment variable SEED). */
export const seeded = (numRuns: number) => ({
  numRuns,
  ...(process.env.SEED ? { seed: Number(process.env.SEED) } : {}),
});

/** The seed for tests that draw their own numbers; they name it where they fail. */
export const testSeed = process.env.SEED ? Number(process.env.SEED) : Date.now() % 2 ** 31;

/** @returns a function giving integers from 0 to below its argument; the same ones for the same seed (mulberry32). */
export function randomIntegers(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) % below;
  };
}
