// Feeds every parser and everything that takes objects from elsewhere with inputs made from a seed.
// Usage: node test/fuzz/main.mjs [--inputs N] [--seed S] [--target NAME] [--replay FILE]
//
// Prints what came of the inputs. One that crashed, hung, or was answered with something undocumented is printed and
// written to build-fuzz/; --replay tries it again. Inputs worth keeping go to test/fixtures/fuzz/TARGET/.
import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { randomIntegers } from '../../bench/random.mjs';
import { readCorpus } from './corpus.mjs';
import { seedOf } from './inputs.mjs';
import { targets } from './targets/index.mjs';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    target: { type: 'string' },
    replay: { type: 'string' },
  },
});

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url));
const FINDINGS = fileURLToPath(new URL('../../build-fuzz', import.meta.url));
/** Inputs of one process: what it accumulates (modules of the command line, memories) goes with it. */
const BATCH = { 'command-line': 1_000, attach: 20_000 };
const USUAL_BATCH = 200_000;
/** No input at all for so long: it hangs. */
const HANGS_MS = 60_000;

const seed = Number(values.seed);
const scratch = mkdtempSync(join(tmpdir(), 'percpu-fuzz-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

function readPosition(file) {
  return new Float64Array(new Uint8Array(readFileSync(file)).buffer)[0] ?? -1;
}

/** Runs one batch; resolves to the child's summary, or a failure in its place where it crashed or hung. */
function runBatch(batch) {
  const position = join(scratch, `${batch.name}-${batch.from}`);
  writeFileSync(position, new Uint8Array(8));
  return new Promise((resolve) => {
    const child = fork(CHILD, { stdio: ['ignore', 2, 2, 'ipc'] });
    let result;
    let last = -1;
    const watch = setInterval(() => {
      const now = readPosition(position);
      if (now === last) child.kill('SIGKILL');
      last = now;
    }, HANGS_MS);
    child.on('message', (message) => {
      result = message;
    });
    child.on('close', (code, signal) => {
      clearInterval(watch);
      if (result) return resolve(result);
      const index = readPosition(position);
      const target = targets.find(({ name }) => name === batch.name);
      const corpus = readCorpus(target);
      const input = corpus[index] ?? target.generate(randomIntegers(seedOf(seed, batch.name, index)), corpus);
      const message = signal === 'SIGKILL' ? 'hangs' : `the process ended with ${signal ?? code}`;
      resolve({ outcomes: {}, failure: { index, input, message } });
    });
    child.send({ ...batch, seed, position });
  });
}

function report(name, { index, input, message }) {
  mkdirSync(FINDINGS, { recursive: true });
  const file = join(FINDINGS, `${name}-${seed}-${index}.json`);
  writeFileSync(file, `${JSON.stringify({ target: name, seed, index, message, input }, null, 1)}\n`);
  const shown = JSON.stringify(input) ?? '';
  const short = shown.length > 500 ? `${shown.slice(0, 500)}… (${shown.length} characters)` : shown;
  console.log(`\n${name}, input ${index}, --seed ${seed}: ${message}\n  ${short}\n  kept in ${file}`);
}

async function replay(file) {
  const { target: name, input } = JSON.parse(readFileSync(file, 'utf8'));
  const outcomes = {};
  await targets.find((target) => target.name === name).check(input, outcomes);
  console.log(`${name}: nothing wrong with it`, outcomes);
}

async function fuzz() {
  const chosen = targets.filter(({ name }) => values.target === undefined || name === values.target);
  if (chosen.length === 0) throw new Error(`--target takes one of ${targets.map(({ name }) => name).join(', ')}`);
  const total = Number(values.inputs);
  if (!Number.isInteger(total) || total < 1) throw new Error('--inputs takes a number from 1');
  if (!Number.isInteger(seed)) throw new Error('--seed takes an integer');
  const shares = chosen.reduce((sum, { share }) => sum + share, 0);
  const batches = chosen.flatMap(({ name, share }) => {
    const count = Math.ceil((total * share) / shares);
    const size = BATCH[name] ?? USUAL_BATCH;
    return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
      name,
      from: i * size,
      to: Math.min((i + 1) * size, count),
    }));
  });
  console.log(`seed ${seed}`);
  const began = performance.now();
  const summaries = new Map(chosen.map(({ name }) => [name, { inputs: 0, outcomes: {} }]));
  let failures = 0;
  const next = async () => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      const { outcomes, failure } = await runBatch(batch);
      const summary = summaries.get(batch.name);
      summary.inputs += failure ? failure.index - batch.from : batch.to - batch.from;
      for (const [outcome, count] of Object.entries(outcomes ?? {})) {
        summary.outcomes[outcome] = (summary.outcomes[outcome] ?? 0) + count;
      }
      if (failure) {
        failures++;
        report(batch.name, failure);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, next));
  for (const [name, { inputs, outcomes }] of summaries) {
    const counts = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${count}`);
    console.log(`${name}: ${inputs} inputs; ${counts.join(', ') || 'all answered'}`);
  }
  const inputs = [...summaries.values()].reduce((sum, summary) => sum + summary.inputs, 0);
  console.log(`${inputs} inputs in ${Math.round((performance.now() - began) / 1000)} s, ${failures} findings`);
  process.exitCode = failures === 0 ? 0 : 1;
}

try {
  await (values.replay === undefined ? fuzz() : replay(values.replay));
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
