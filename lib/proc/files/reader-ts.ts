import { abortError } from '../../errors.js';
import { TimeSlice } from '../time-slice.js';
import { processError } from './errors.js';
import { KEPT_FILES, KeptFiles, type ProcessDirectory } from './kept-files.js';
import { listPids } from './pid-list.js';
import type { ProcessFiles } from './process-row.js';
import { directoryOf, FileError, isOutOfFiles, readByPaths, readOne, readWhole, requireRoot } from './read-process.js';
import type { ProcReader, Scanner, ScanRequest } from './reader.js';

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
      const slice = new TimeSlice();
      for (const pid of listed) {
        const row = this.#read(pid, want);
        if (row) rows.push(row);
        if (!slice.isOver()) continue;
        await slice.next(signal);
        if (this.#closed) break;
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

  /** Closes the kept files if no descriptor is left, and tries again. */
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
    // The process has ended; a new one may have the pid.
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

  /** @throws PercpuError if no descriptor is left: omitting processes would make the machine look smaller. */
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

/** Reads with node:fs, for platforms without the addon. A scan works in short slices between turns of the event loop. */
export const tsReader: ProcReader = {
  readOne,
  openScanner: (root, maxOpenFiles) => new TsScanner(root, maxOpenFiles),
};
