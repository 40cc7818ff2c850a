// What the benchmarks' command lines share.
import { Command, InvalidArgumentError } from 'commander';
import { environment } from './environment.mjs';

const PAGE_BYTES = 4096;

/** @returns {number} MiB of so many pages of 4 KiB. */
export function mib(pages) {
  return (pages * PAGE_BYTES) / 2 ** 20;
}

/** @returns {(value: string) => number} what makes a number of an option's value, or one line on stderr and exit code 2. */
export function wholeNumber(min = 1) {
  return (value) => {
    const number = Number(value);
    if (/^-?\d+$/.test(value) && Number.isSafeInteger(number) && number >= min) return number;
    throw new InvalidArgumentError(`It takes a whole number from ${min}.`);
  };
}

/**
 * Reads the command line; `--help` and bad usage end the process.
 *
 * @param {string} name the npm script.
 * @param {string} description what is measured.
 * @param {Array} options for each, the arguments of commander's `option()`: flags, description, parser, default.
 * @returns {object} values by name, `json` among them.
 */
export function readCommandLine(name, description, options) {
  const command = new Command(`npm run ${name} --`)
    .description(description)
    .configureOutput({ outputError: (text, write) => write(text) })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  for (const option of options) command.option(...option);
  command.option('--json', 'print the results as JSON');
  return command.parse().opts();
}

/** Shows what is being done on a terminal's stderr, in one line that the next one overwrites; '' clears it. */
export function showProgress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** @returns {string} what a result means nothing without, in one line. */
export function environmentLine() {
  const { cpu, cpus, kernel, node, v8 } = environment();
  return `${cpu}, ${cpus} CPUs; ${kernel}; Node ${node} (V8 ${v8})`;
}
