import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { native } from '../../lib/native/native.js';
import { describeUnless, notLinux } from '../support/skip.js';

const library = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
const program = `
import { CounterArena, CounterTree, runOnCpus } from ${JSON.stringify(library)};
const refusal = (options) => {
  try {
    return new CounterArena(options).engine;
  } catch ({ code, message }) {
    return { code, message };
  }
};
const { engine } = CounterArena.default;
const arena = new CounterArena({ cpus: 2, capacity: 20_000 });
const counters = CounterTree.createMany(20_000, { arena, initial: 3 });
const [counter] = counters;
counter.add(4);
const sum = counter.preciseSum();
const runs = ${native.addon ? 'await runOnCpus({ counter, iterations: 1_000 })' : '[]'};
const native = counter.preciseSum() - sum - runs.reduce((all, { iterations }) => all + iterations, 0);
console.log(JSON.stringify({
  engine, sum, native, runs: runs.length > 0, last: counters.at(-1).preciseSum(),
  wasm: refusal({ engine: 'wasm' }), ts: refusal({ engine: 'ts' }),
  large: refusal({ cpus: 2, capacity: 30_000_000 }),
}));
`;

const reason = process.env.PERCPU_SANITIZED ? 'the address sanitizer needs more addresses than that' : notLinux;

describeUnless(reason)('a process with few addresses', () => {
  it.each([4_000_000, 2_000_000])('ulimit -v %i: counts on the engine ts', { timeout: 30_000 }, async (kib) => {
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ulimit -v "$1" && exec "$2" --input-type=module -e "$3"',
      'sh',
      `${kib}`,
      process.execPath,
      program,
    ]);
    expect(JSON.parse(stdout)).toEqual({
      engine: 'ts',
      sum: 7,
      native: 0,
      runs: native.addon !== undefined,
      last: 3,
      wasm: { code: 'ENOMEM', message: expect.stringMatching(/V8 reserves .*ulimit -v.*engine 'ts'/) },
      ts: 'ts',
      large: { code: 'ENOMEM', message: expect.stringContaining('no 36') },
    });
  });
});
