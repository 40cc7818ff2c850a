// Runs named variants, each in fresh processes, in turn: what is compared runs side by side in time, so that a noisy
// machine disturbs both alike.
import { execFile } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median } from './sampling.mjs';

const execute = promisify(execFile);
const child = fileURLToPath(new URL('variant.mjs', import.meta.url));

/** What a result means nothing without. */
export function environment() {
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cpus: os.availableParallelism(),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    v8: process.versions.v8,
    date: new Date().toISOString(),
  };
}

async function runVariant(name) {
  const { stdout } = await execute(process.execPath, [child, name], { maxBuffer: 2 ** 24 });
  return JSON.parse(stdout).nsPerOperation;
}

/**
 * @param {string[]} names files of variants/ without their extension.
 * @param {number} rounds processes per variant.
 * @param {(done: number, all: number) => void} [onProgress]
 * @returns {Promise<Record<string, number[]>>} nanoseconds per operation, one value per round.
 */
export async function runVariants(names, rounds, onProgress = () => {}) {
  const results = Object.fromEntries(names.map((name) => [name, []]));
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      results[name].push(await runVariant(name));
      onProgress(++done, rounds * names.length);
    }
  }
  return results;
}

/** @returns {number} the median over the rounds of one variant's time divided by the other's in the same round. */
export function medianRatio(numerators, denominators) {
  return median(numerators.map((value, round) => value / denominators[round]));
}
