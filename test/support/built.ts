import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

const entry = new URL('../../dist/index.js', import.meta.url);
if (!existsSync(entry)) throw new Error('dist/ is missing: build the package first (npm run build)');

/**
 * The built package, which threads and child processes of tests import as well: a thread that shares counters with them
 * uses the same copy of the code.
 */
export const percpu = (await import(/* @vite-ignore */ entry.href)) as typeof import('../../lib/index.js');

const tasksFile = new URL('./worker-tasks.mjs', import.meta.url);

interface Reply {
  id: number;
  result?: unknown;
  error?: { name: string; code: string; message: string };
}

const started = new Set<TestWorker>();

/** A worker thread that runs the functions of worker-tasks.mjs when told to. */
export class TestWorker {
  readonly worker: Worker;
  readonly #waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  #calls = 0;

  /** @param make for a subclass of `Worker`. */
  constructor(options: WorkerOptions = {}, make = (file: URL, given: WorkerOptions) => new Worker(file, given)) {
    this.worker = make(tasksFile, options);
    this.worker.on('message', ({ id, result, error }: Reply) => {
      const { resolve, reject } = this.#waiting.get(id)!;
      this.#waiting.delete(id);
      if (error) reject(Object.assign(new Error(error.message), { name: error.name, code: error.code }));
      else resolve(result as never);
    });
    this.worker.on('error', (error) => this.#failAll(error));
    this.worker.on('exit', (code) => this.#failAll(new Error(`the worker has exited (${code})`)));
    started.add(this);
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** Runs one function of worker-tasks.mjs. */
  call<T = unknown>(task: string, args: object = {}): Promise<T> {
    const id = this.#calls++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, args });
    });
  }

  terminate(): Promise<number> {
    started.delete(this);
    return this.worker.terminate();
  }
}

/** Ends all workers that a test file has started: for `afterAll`. */
export async function terminateWorkers(): Promise<void> {
  await Promise.all([...started].map((worker) => worker.terminate()));
}

export interface ChildOutcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a program of this folder, or a module given as text, in a Node process of its own. */
export function runChild(
  program: { file: string; args?: string[]; nodeArgs?: string[] } | { code: string },
  env: Record<string, string | undefined> = {},
): Promise<ChildOutcome> {
  const args =
    'code' in program
      ? ['--input-type=module', '--eval', `import * as percpu from ${JSON.stringify(entry.href)};\n${program.code}`]
      : [...(program.nodeArgs ?? []), fileURLToPath(new URL(program.file, import.meta.url)), ...(program.args ?? [])];
  const environment = { ...process.env, ...env };
  // The test runner's own settings are not for the child.
  delete environment.NODE_OPTIONS;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** A module's standard output as JSON, of a process that has to end well. */
export async function childResult<T>(code: string, env: Record<string, string | undefined> = {}): Promise<T> {
  const outcome = await runChild({ code }, env);
  if (outcome.code !== 0) throw new Error(`the child ended with ${JSON.stringify(outcome)}`);
  return JSON.parse(outcome.stdout) as T;
}
