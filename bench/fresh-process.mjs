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
 * @param {unknown} argument what JSON can carry.
 * @returns {Promise<any>} the result.
 */
export async function inFreshProcess(module, argument) {
  const { stdout } = await execute(process.execPath, ['--expose-gc', self, module.href, JSON.stringify(argument)], {
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(stdout);
}

if (process.argv[1] === self) {
  const [href, argument] = process.argv.slice(2);
  reportInOneLine();
  const { default: measure } = await import(href).catch(cannotRun);
  console.log(JSON.stringify(await Promise.resolve(measure(JSON.parse(argument))).catch(cannotRun)));
  process.exit(0);
}
