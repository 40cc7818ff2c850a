// A program of test/support in a Node process of its own.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** @returns {Promise<string>} what it wrote to standard output. */
export async function runChild(file, nodeArguments, programArguments) {
  const program = fileURLToPath(new URL(`../support/${file}`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...nodeArguments, program, ...programArguments]);
  return stdout;
}
