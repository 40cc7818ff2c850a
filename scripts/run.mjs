// Runs commands from the repository's root, with its development dependencies on the path.
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('..', import.meta.url));

/** Of this moment: what a script has changed of its own counts. */
const environment = () => ({
  ...process.env,
  PATH: `${join(repository, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`,
});

/**
 * Runs a command to its end.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ capture?: boolean, env?: Record<string, string>, cwd?: string }} [options] capture: return the output instead of
 *   showing it; cwd: another folder than the repository's root.
 * @returns {Promise<string>} the captured output, stdout and stderr together.
 * @throws Error with `output` when the command fails or is not there.
 */
export function run(command, args, { capture = false, env = {}, cwd = repository } = {}) {
  return new Promise((resolve, reject) => {
    // Shown output goes to stderr: stdout belongs to the program that builds run before.
    const stdio = capture ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2];
    const child = spawn(command, args, { cwd, env: { ...environment(), ...env }, stdio });
    let output = '';
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => reject(Object.assign(error, { output })));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(Object.assign(new Error(`${command} ended with ${signal ?? `status ${code}`}`), { output }));
    });
  });
}

/** @returns {Promise<boolean>} whether a command can be started and says its version. */
export async function isAvailable(command) {
  return run(command, ['--version'], { capture: true }).then(
    () => true,
    () => false,
  );
}
