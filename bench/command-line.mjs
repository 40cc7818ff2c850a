// What the benchmarks' command lines share.
import { environment } from './run-variants.mjs';

const PAGE_BYTES = 4096;

/** @returns {number} MiB of so many pages of 4 KiB. */
export function mib(pages) {
  return (pages * PAGE_BYTES) / 2 ** 20;
}

/** Ends the process with exit code 2 and one line on stderr unless `value` is an integer from `min` on. */
export function wholeNumber(value, option, min = 1) {
  const number = Number(value);
  if (/^-?\d+$/.test(value) && Number.isSafeInteger(number) && number >= min) return number;
  process.stderr.write(`--${option} takes a whole number from ${min}\n`);
  return process.exit(2);
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
