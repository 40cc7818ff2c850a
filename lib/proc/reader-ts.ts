import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { abortError } from '../errors.js';
import { noProcError, processError, rootError } from './proc-errors.js';
import { parseInteger, parseRollup, parseStat, parseStatm, parseStatus } from './proc-files.js';
import { FILES, type ProcessFile, type ProcessFiles, Want } from './process-files.js';
import type { ProcReader, Scanner, ScanRequest } from './reader.js';

/** More than any of the files holds, but for the tail of a status with thousands of CPUs, which nobody reads here. */
const BUFFER_BYTES = 16 * 1024;
const buffer = Buffer.allocUnsafe(BUFFER_BYTES);

/** How long a scan holds the event loop before it lets others have a turn. */
const SLICE_MS = 4;

/** Descriptors of one process that stay open: stat, statm, status. */
const KEPT_FILES = 3;

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO';
}

function readDescriptor(descriptor: number): string {
  return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, BUFFER_BYTES, 0));
}

function readPath(path: string): string {
  const descriptor = openSync(path, 'r');
  try {
    return readDescriptor(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Reads one file of one process as text. */
type ReadFile = (file: ProcessFile) => string;

/** What stands behind a failed or unparsable file. */
class FileError extends Error {
  readonly file: ProcessFile;
  readonly code: string;

  constructor(file: ProcessFile, code: string) {
    super(code);
    this.file = file;
    this.code = code;
  }
}

function parsed<T>(read: ReadFile, file: ProcessFile, parse: (text: string) => T | undefined): T {
  let text: string;
  try {
    text = read(file);
  } catch (error) {
    throw new FileError(file, codeOf(error));
  }
  const value = parse(text);
  if (value === undefined) throw new FileError(file, 'EBADMSG');
  return value;
}

/** Other users' page tables are not ours to see, and kernel threads have none. */
function optionalRollup(read: ReadFile): number | null {
  try {
    return parseRollup(read('smaps_rollup')) ?? null;
  } catch {
    return null;
  }
}

/** @throws FileError */
function readFiles(read: ReadFile, want: number): ProcessFiles {
  const stat = parsed(read, 'stat', parseStat);
  const statm = parsed(read, 'statm', parseStatm);
  const status = parsed(read, 'status', parseStatus);
  const wantsOom = (want & Want.OOM) !== 0;
  return {
    pid: stat.pid,
    name: stat.name,
    state: stat.state,
    kernelThread: stat.kernelThread,
    threads: stat.threads,
    startTicks: stat.startTicks,
    statRssPages: stat.rssPages,
    residentPages: statm.residentPages,
    ...status,
    rollupKiB: (want & Want.ROLLUP) !== 0 ? optionalRollup(read) : null,
    oomScoreAdj: wantsOom ? parsed(read, 'oom_score_adj', parseInteger) : 0,
    oomScore: wantsOom ? parsed(read, 'oom_score', parseInteger) : 0,
  };
}

function fromPaths(directory: string): ReadFile {
  return (file) => readPath(`${directory}/${file}`);
}

/** @throws PercpuError where the root itself is what is missing. */
function requireRoot(root: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(root).isDirectory();
  } catch (error) {
    throw root === '/proc' ? noProcError() : rootError(codeOf(error), root);
  }
  if (!isDirectory) throw rootError('ENOTDIR', root);
}

function readOne(root: string, pid: number | 'self', want: number): ProcessFiles {
  try {
    return readFiles(fromPaths(`${root}/${pid}`), want);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    requireRoot(root);
    throw processError(error.code, root, pid, error.file);
  }
}

/**
 * @returns the processes of a proc tree, ascending.
 * @throws PercpuError `ERR_UNSUPPORTED_PLATFORM` where there is no /proc; the system's own (`ENOENT`, `ENOTDIR`, …) for
 *   another root.
 */
export function listPids(root: string): number[] {
  let names: string[];
  try {
    names = readdirSync(root);
  } catch (error) {
    throw root === '/proc' ? noProcError() : rootError(codeOf(error), root);
  }
  return names
    .filter((name) => /^[1-9]\d{0,9}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** The three files of one process, open. They stay bound to that process, whoever gets its pid. */
class KeptFiles {
  readonly #descriptors: number[] = [];

  /** @throws what opening throws; nothing stays open then. */
  constructor(directory: string) {
    try {
      for (const file of FILES.slice(0, KEPT_FILES)) this.#descriptors.push(openSync(`${directory}/${file}`, 'r'));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  reader(directory: string): ReadFile {
    return (file) => {
      const descriptor = this.#descriptors[FILES.indexOf(file)];
      return descriptor === undefined ? readPath(`${directory}/${file}`) : readDescriptor(descriptor);
    };
  }

  close(): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor);
  }
}

class TsScanner implements Scanner {
  readonly #root: string;
  readonly #maxProcesses: number;
  readonly #kept = new Map<number, KeptFiles>();
  #scanning = false;
  #closed = false;

  constructor(root: string, maxOpenFiles: number) {
    this.#root = root;
    this.#maxProcesses = Math.floor(maxOpenFiles / KEPT_FILES);
  }

  get openFiles(): number {
    return KEPT_FILES * this.#kept.size;
  }

  async scan({ pids, want, signal }: ScanRequest): Promise<ProcessFiles[]> {
    this.#scanning = true;
    try {
      const listed = pids ?? listPids(this.#root);
      if (pids) requireRoot(this.#root);
      this.#forgetAllBut(listed);
      const rows: ProcessFiles[] = [];
      let sliceEnd = performance.now() + SLICE_MS;
      for (const pid of listed) {
        const row = this.#read(pid, want);
        if (row) rows.push(row);
        if (performance.now() < sliceEnd) continue;
        await nextTurn();
        if (signal?.aborted || this.#closed) break;
        sliceEnd = performance.now() + SLICE_MS;
      }
      if (signal?.aborted) throw abortError(signal);
      return rows;
    } finally {
      this.#scanning = false;
      if (this.#closed) this.#forgetAllBut([]);
    }
  }

  close(): void {
    this.#closed = true;
    if (!this.#scanning) this.#forgetAllBut([]);
  }

  #forgetAllBut(pids: readonly number[]): void {
    const wanted = new Set(pids);
    for (const pid of this.#kept.keys()) if (!wanted.has(pid)) this.#forget(pid);
  }

  #forget(pid: number): void {
    this.#kept.get(pid)?.close();
    this.#kept.delete(pid);
  }

  #read(pid: number, want: number): ProcessFiles | undefined {
    const directory = `${this.#root}/${pid}`;
    const kept = this.#kept.get(pid);
    const again = kept && this.#tryRead(kept.reader(directory), want);
    if (again) return again;
    // Its process has ended; the pid may have got a new one.
    this.#forget(pid);
    const row = this.#tryRead(this.#keep(pid, directory)?.reader(directory) ?? fromPaths(directory), want);
    if (!row) this.#forget(pid);
    return row;
  }

  #keep(pid: number, directory: string): KeptFiles | undefined {
    if (this.#kept.size >= this.#maxProcesses) return undefined;
    try {
      const kept = new KeptFiles(directory);
      this.#kept.set(pid, kept);
      return kept;
    } catch {
      return undefined;
    }
  }

  #tryRead(read: ReadFile, want: number): ProcessFiles | undefined {
    try {
      return readFiles(read, want);
    } catch (error) {
      if (error instanceof FileError) return undefined;
      throw error;
    }
  }
}

/** Reads with node:fs, for platforms without the addon. A scan works in short slices and lets the event loop have turns. */
export const tsReader: ProcReader = {
  readOne,
  openScanner: (root, maxOpenFiles) => new TsScanner(root, maxOpenFiles),
};
