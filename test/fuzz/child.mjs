// One target's inputs in a process of their own: { name, seed, from, to, position } from main.mjs, a summary back.
// The number of the input under way is in the file `position`, for the case that this process does not survive it.
import { openSync, writeSync } from 'node:fs';
import { randomIntegers } from '../../bench/random.mjs';
import { readCorpus } from './corpus.mjs';
import { seedOf } from './inputs.mjs';
import { targets } from './targets/index.mjs';

/** One input that takes longer hangs, or nearly. */
const SLOW_MS = 3_000;
/** Nothing that a WeakRef was asked for can be collected before the event loop has had its turn. */
const INPUTS_PER_TURN = 200;

async function run({ name, seed, from, to, position }) {
  const target = targets.find((one) => one.name === name);
  const corpus = readCorpus(target);
  const outcomes = {};
  const at = new Float64Array(1);
  const bytes = new Uint8Array(at.buffer);
  const file = openSync(position, 'w');
  for (let index = from; index < to; index++) {
    if (index % INPUTS_PER_TURN === 0) await new Promise(setImmediate);
    at[0] = index;
    writeSync(file, bytes, 0, 8, 0);
    // The kept inputs come first, as they are.
    const input =
      index < corpus.length ? corpus[index] : target.generate(randomIntegers(seedOf(seed, name, index)), corpus);
    const began = performance.now();
    try {
      const done = target.check(input, outcomes);
      if (done) await done;
    } catch (error) {
      return { outcomes, failure: { index, input, message: error?.message ?? String(error) } };
    }
    const ms = performance.now() - began;
    if (ms > SLOW_MS) return { outcomes, failure: { index, input, message: `took ${Math.round(ms)} ms` } };
  }
  return { outcomes };
}

process.once('message', async (order) => {
  const result = await run(order).catch((error) => ({ failure: { message: `the target is broken: ${error.stack}` } }));
  process.send(result, () => process.exit(0));
});
