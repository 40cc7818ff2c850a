import { readdirSync, statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { abortError, codeOf } from '../errors.js';
import { KEPT_FILES, KeptFiles, type ProcessDirectory, type ReadFile, withPaths } from './kept-files.js';
import { processError, rootError } from './proc-errors.js';
import { parseInteger, parseRollup, parseStat, parseStatm, parseStatus } from './proc-files.js';
import { type ProcessFile, type ProcessFiles, Want } from './process-files.js';
import type { ProcReader, Scanner, ScanRequest } from './reader.js';

/** How long a scan holds the event loop before it lets others have a turn. */
const SLICE_MS = 4;

/** This process, or the machine, has no descriptors left: that says nothing about the process to be read. */
function isOutOfFiles(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'EMFILE' || code === 'ENFILE';
}

function directoryOf(root: string, pid: number | 'self'): ProcessDirectory {
  return { path: `${root}/${pid}`, own: root === '/proc' };
}

function threadOf({ path, own }: ProcessDirectory, tid: number): ProcessDirectory {
  return { path: `${path}/task/${tid}`, own };
}

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
  } catch (error) {
    if (isOutOfFiles(error)) throw new FileError('smaps_rollup', codeOf(error));
    return null;
  }
}

/**
 * Reads stat, which is open all the while, last: that it can be read then shows that the files found by the pid meanwhile are
 * the same process's.
 *
 * @throws FileError
 */
function readFiles(read: ReadFile, want: number): ProcessFiles {
  const statm = parsed(read, 'statm', parseStatm);
  const status = parsed(read, 'status', parseStatus);
  const rollupKiB = (want & Want.ROLLUP) !== 0 ? optionalRollup(read) : null;
  const wantsOom = (want & Want.OOM) !== 0;
  const oomScoreAdj = wantsOom ? parsed(read, 'oom_score_adj', parseInteger) : 0;
  const oomScore = wantsOom ? parsed(read, 'oom_score', parseInteger) : 0;
  const stat = parsed(read, 'stat', parseStat);
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
    rollupKiB,
    oomScoreAdj,
    oomScore,
  };
}

/**
 * The first thread may end before the others (pthread_exit(3)): its files say that there is no memory then, and those of any
 * other thread what there is.
 *
 * @throws FileError
 */
function readOtherThread(first: ProcessFiles, read: ReadFile, directory: ProcessDirectory, want: number): ProcessFiles {
  for (const tid of listThreads(directory.path)) {
    const seen = tid === first.pid ? undefined : tryThread(threadOf(directory, tid), want & Want.ROLLUP);
    if (!seen || seen.residentPages === 0) continue;
    // Nobody else has got the pid meanwhile.
    parsed(read, 'stat', parseStat);
    const { pid, name, startTicks, oomScoreAdj, oomScore } = first;
    return { ...seen, pid, name, startTicks, oomScoreAdj, oomScore };
  }
  return first;
}

/** @throws FileError where there are no descriptors left. */
function tryThread(directory: ProcessDirectory, want: number): ProcessFiles | undefined {
  try {
    return withPaths(directory, (read) => readFiles(read, want));
  } catch (error) {
    if (isOutOfFiles(error)) throw new FileError('stat', codeOf(error));
    return undefined;
  }
}

/** @throws FileError where there are no descriptors left. */
function listThreads(directory: string): number[] {
  try {
    return listPids(`${directory}/task`);
  } catch (error) {
    if (isOutOfFiles(error)) throw new FileError('stat', codeOf(error));
    return [];
  }
}

/** @throws FileError */
function readWhole(read: ReadFile, directory: ProcessDirectory, want: number): ProcessFiles {
  const files = readFiles(read, want);
  return files.state === 'Z' && files.threads > 1 ? readOtherThread(files, read, directory, want) : files;
}

/** @throws FileError */
function readByPaths(directory: ProcessDirectory, want: number): ProcessFiles {
  try {
    return withPaths(directory, (read) => readWhole(read, directory, want));
  } catch (error) {
    throw error instanceof FileError ? error : new FileError('stat', codeOf(error));
  }
}

/** @throws PercpuError where the root itself is what is missing. */
function requireRoot(root: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(root).isDirectory();
  } catch (error) {
    throw rootError(codeOf(error), root);
  }
  if (!isDirectory) throw rootError('ENOTDIR', root);
}

function readOne(root: string, pid: number | 'self', want: number): ProcessFiles {
  try {
    return readByPaths(directoryOf(root, pid), want);
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
    throw rootError(codeOf(error), root);
  }
  return names
    .filter((name) => /^[1-9]\d{0,9}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
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
      const listed = pids ?? this.#list();
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

  /** What needs a descriptor comes before what merely keeps some. */
  #givingBack<T>(first: () => T, again: () => T): T {
    try {
      return first();
    } catch (error) {
      if (!isOutOfFiles(error)) throw error;
      this.#forgetAllBut([]);
      return again();
    }
  }

  #list(): number[] {
    const list = () => listPids(this.#root);
    return this.#givingBack(list, list);
  }

  #read(pid: number, want: number): ProcessFiles | undefined {
    const directory = directoryOf(this.#root, pid);
    return this.#givingBack(
      () => this.#readKeeping(pid, directory, want),
      () => this.#tryRead(pid, () => readByPaths(directory, want)),
    );
  }

  #readKeeping(pid: number, directory: ProcessDirectory, want: number): ProcessFiles | undefined {
    const kept = this.#kept.get(pid);
    const again = kept && this.#tryRead(pid, () => readWhole(kept.reader(directory), directory, want));
    if (again) return again;
    // Its process has ended; the pid may have got a new one.
    this.#forget(pid);
    const keptNow = this.#keep(pid, directory);
    const row = this.#tryRead(pid, () =>
      keptNow ? readWhole(keptNow.reader(directory), directory, want) : readByPaths(directory, want),
    );
    if (!row) this.#forget(pid);
    return row;
  }

  #keep(pid: number, directory: ProcessDirectory): KeptFiles | undefined {
    if (this.#kept.size >= this.#maxProcesses) return undefined;
    try {
      const kept = new KeptFiles(directory);
      this.#kept.set(pid, kept);
      return kept;
    } catch {
      return undefined;
    }
  }

  /** @throws PercpuError where there are no descriptors left: leaving processes out would look like a smaller machine. */
  #tryRead(pid: number, read: () => ProcessFiles): ProcessFiles | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      if (isOutOfFiles(error)) throw processError(error.code, this.#root, pid, error.file);
      return undefined;
    }
  }
}

/** Reads with node:fs, for platforms without the addon. A scan works in short slices and lets the event loop have turns. */
export const tsReader: ProcReader = {
  readOne,
  openScanner: (root, maxOpenFiles) => new TsScanner(root, maxOpenFiles),
};
