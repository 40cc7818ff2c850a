import type { OomMemory, PageBounds } from '../oom/memory.js';
import { type ProcessFiles, Want } from './files/process-row.js';
import type { ProcTree } from './proc-tree.js';
import { boundsPages } from './reading.js';

/** Ends a selection because a process has ended: the selection is made again without it. */
export class ProcessGone extends Error {
  readonly pid: number;

  constructor(pid: number) {
    super(`process ${pid} has ended`);
    this.pid = pid;
  }
}

/**
 * A process's memory for the OOM ranking, from files that were read before. Only `rssSum()` may read another one:
 * smaps_rollup, an expensive read.
 */
export class ProcessMemory implements OomMemory {
  readonly #tree: ProcTree;
  #files: ProcessFiles;
  /** Whether a precise sum was denied. */
  refused = false;

  constructor(files: ProcessFiles, tree: ProcTree) {
    this.#files = files;
    this.#tree = tree;
  }

  /** With smaps_rollup, once that was read. */
  get files(): ProcessFiles {
    return this.#files;
  }

  /** Whether `rssSum()` needs no further read. */
  get isSummed(): boolean {
    return this.#tree.accounting.statmPrecise || this.#files.rollupKiB !== null;
  }

  rss(): number {
    return this.#files.statRssPages;
  }

  rssBounds(): PageBounds {
    return boundsPages(this.#files, this.#tree);
  }

  rssSum(): number {
    if (this.#tree.accounting.statmPrecise) return this.#files.residentPages;
    if (this.#files.rollupKiB === null) this.#readRollup();
    const { rollupKiB } = this.#files;
    return rollupKiB === null ? this.#files.residentPages : this.#pages(rollupKiB);
  }

  swap(): PageBounds {
    const pages = this.swapSum();
    return { min: pages, max: pages };
  }

  swapSum(): number {
    return this.#pages(this.#files.swapKiB);
  }

  pageTablePages(): number {
    return this.#pages(this.#files.pageTableKiB);
  }

  #pages(kib: number): number {
    return Math.floor((kib * 1024) / this.#tree.pageBytes);
  }

  #readRollup(): void {
    const { pid, startTicks } = this.#files;
    let now: ProcessFiles;
    try {
      now = this.#tree.reader.readOne(this.#tree.root, pid, Want.ROLLUP);
    } catch {
      throw new ProcessGone(pid);
    }
    if (now.startTicks !== startTicks) throw new ProcessGone(pid);
    if (now.rollupKiB === null) this.refused = true;
    else this.#files = { ...this.#files, rollupKiB: now.rollupKiB };
  }
}
