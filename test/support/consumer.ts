import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../..', import.meta.url));

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, with this environment and `env` on top. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string | undefined> } = {},
): Promise<Outcome> {
  const env = { ...process.env, NODE_OPTIONS: undefined, PERCPU_NATIVE: undefined, ...options.env };
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** What a module prints as JSON, in a Node of its own. */
export async function printed<T>(code: string, options: Parameters<typeof runProgram>[2] = {}): Promise<T> {
  const outcome = await runProgram(process.execPath, ['--input-type=module', '--eval', code], options);
  if (outcome.code !== 0) throw new Error(JSON.stringify(outcome));
  return JSON.parse(outcome.stdout) as T;
}

const made: string[] = [];

/** A folder of its own, removed by {@link removeFolders}. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'percpu-test-'));
  made.push(folder);
  return folder;
}

export function removeFolders(): void {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** A project that has this package installed, and these files. */
export function makeConsumer(files: Record<string, string>): string {
  const folder = makeFolder();
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  symlinkSync(repository, join(folder, 'node_modules', 'percpu'));
  symlinkSync(join(repository, 'node_modules', '@types', 'node'), join(folder, 'node_modules', '@types', 'node'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}
