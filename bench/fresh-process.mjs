// Runs a measurement in a Node process of its own, so that no measurement inherits another one's heap, memory or
// compiled code.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cannotRun, reportInOneLine } from './cannot-run.mjs';

const execute = promisify(execFile);
const self = fileURLToPath(import.meta.url);

/**
 * @param {URL} module its default export takes one argument and returns, or resolves with, what JSON can carry.
 * @param {unknown} [argument] what JSON can carry.
 * @returns {Promise<any>} the result.
 */
export async function inFreshProcess(module, argument = null) {
  const { stdout } = await execute(process.execPath, ['--expose-gc', self, module.href, JSON.stringify(argument)], {
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(stdout);
}

/**
 * Runs named variants in turn, each time in a fresh process: what is compared runs side by side in time, so that a noisy
 * machine disturbs both alike.
 *
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
      results[name].push(await inFreshProcess(new URL(`variants/${name}.mjs`, import.meta.url)));
      onProgress(++done, rounds * names.length);
    }
  }
  return results;
}

if (process.argv[1] === self) {
  const [href, argument] = process.argv.slice(2);
  reportInOneLine();
  const { default: measure } = await import(href).catch(cannotRun);
  console.log(JSON.stringify(await Promise.resolve(measure(JSON.parse(argument))).catch(cannotRun)));
  process.exit(0);
}
