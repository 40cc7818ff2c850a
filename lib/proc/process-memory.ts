import type { OomMemory, PageBounds } from '../oom/memory.js';
import { type ProcessFiles, Want } from './files/process-row.js';
import type { ProcTree } from './proc-tree.js';
import { boundsPages } from './reading.js';

/** Thrown out of a selection when a process it needs has ended: the selection is made again without it. */
export class ProcessGone extends Error {
  readonly pid: number;

  constructor(pid: number) {
    super(`process ${pid} has ended`);
    this.pid = pid;
  }
}

/** A real process's memory as the OOM ranking sees it, in pages: files that were read already, and smaps_rollup, an expensive read, when its sum is asked for. */
export class ProcessMemory implements OomMemory {
  readonly #tree: ProcTree;
  #files: ProcessFiles;
  /** Whether a precise sum was wanted that could not be had. */
  refused = false;

  constructor(files: ProcessFiles, tree: ProcTree) {
    this.#files = files;
    this.#tree = tree;
  }

  /** With smaps_rollup, if that has been read meanwhile. */
  get files(): ProcessFiles {
    return this.#files;
  }

  /** Whether `rssSum()` costs nothing any more. */
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
